"""Debian's nats-server and the lab's program for real, on this machine, with a clock of their own
that is set an hour ahead and back: the suite's own scenario and judges, and defects."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge_lab.addons.functions.limits import LIMITS
from edge_lab.addons.functions.ways import OWN_WAYS, PROCESS
from suites.functions.clocks import after_jump, judge_meanwhile, judge_stopped, wrong_clocks
from suites.functions.judging import judge_copies, judge_events, judge_source
from suites.functions.scenarios import Scene
from suites.functions.test_clock import HOUR
from tests.addons.fetch import suites
from tests.addons.functions.clocksite import ClockSite
from tests.addons.functions.plant import running_plant
from tests.addons.functions.site import NODE, running
from tests.addons.functions.test_native_defects import (
    AGAIN_SECONDS,
    WARM,
    WORK,
    backlog,
    killed_at_work,
)
from tests.golang import build

pytestmark = pytest.mark.native(reason="nats-server and a Go program, and a clock of their own")

(LIMIT,) = LIMITS
DAY_AND_MORE = 26 * HOUR
"""The stream keeps events for a day."""


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("functions", tmp_path_factory.mktemp("functions") / "edge-functions", cgo=True)


@contextmanager
def site_of(
    folder: Path, program: Path, suite: str, *, cycle: int = 20, options: tuple[str, ...] = ()
) -> Iterator[ClockSite]:
    with (
        running_plant(cycle=cycle) as (plant, device),
        running(ClockSite(folder, suite, program, plant, device, options=options)) as site,
    ):
        yield site


@pytest.fixture(scope="module", params=suites())
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, program: Path
) -> Iterator[ClockSite]:
    folder = tmp_path_factory.mktemp(request.param)
    with site_of(folder, program, request.param) as found:
        yield found


@pytest.mark.parametrize("seconds", [HOUR, -HOUR], ids=["ahead", "back"])
def test_a_wrong_clock_loses_no_event_and_keeps_no_function_running(
    site: ClockSite, seconds: float
) -> None:
    scene = wrong_clocks(site, seconds)
    evidence = scene.evidence[NODE]
    verdicts = [after_jump(evidence, judge_events(evidence, way.name, least=2)) for way in OWN_WAYS]
    verdicts += [judge_meanwhile(evidence, way.name) for way in OWN_WAYS]
    verdicts += [
        judge_stopped(evidence, way, orphan) for (_, way), orphan in scene.orphaned.items()
    ]
    verdicts += [judge_source(evidence, LIMIT, least=2), judge_copies(evidence, least=2)]
    assert scene.orphaned
    assert all(one.passed for one in verdicts), "\n".join(map(str, verdicts))


def test_a_clock_that_was_not_set_is_no_evidence(
    site: ClockSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site, "obeys", False)
    evidence = wrong_clocks(site, HOUR).evidence[NODE]
    verdict = after_jump(evidence, judge_copies(evidence))
    (problem,) = verdict.problems
    assert problem.startswith("no evidence: the clock moved")
    assert not judge_meanwhile(evidence, WARM).passed


@pytest.mark.parametrize("suite", suites())
def test_events_that_wait_over_a_jump_of_more_than_a_day_are_lost(
    tmp_path: Path, program: Path, suite: str
) -> None:
    """The broker deletes what is older than the stream keeps it, by the node's clock."""
    with site_of(tmp_path, program, suite) as site:
        scene = Scene(site)
        scene.begin()
        with site.no_activators():
            scene.until_crossed(1)
            with site.wrong_clock(NODE, DAY_AND_MORE):
                site.kill_brokers()
                site.until("no event waits", lambda: not waiting(site), AGAIN_SECONDS)
        assert not scene.all_handled(AGAIN_SECONDS / 2)
        verdict = judge_events(scene.look(NODE), PROCESS.name)
    assert any("were not handled" in problem for problem in verdict.problems), str(verdict)


def waiting(site: ClockSite) -> int:
    return backlog(site, PROCESS.name)["waiting"]


@pytest.mark.parametrize("suite", suites())
def test_an_event_of_a_killed_function_comes_again_when_a_clock_set_back_is_right(
    tmp_path: Path, program: Path, suite: str
) -> None:
    """The broker measures by the node's clock how long an event was not acknowledged."""
    with site_of(tmp_path, program, suite, cycle=60, options=WORK) as site:
        scene = killed_at_work(site)
        with site.wrong_clock(NODE, -HOUR):
            assert not scene.all_handled(AGAIN_SECONDS)
            held_up = judge_events(scene.look(NODE), WARM)
        assert scene.all_handled(AGAIN_SECONDS)
        verdict = judge_events(scene.look(NODE), WARM)
    assert any("were not handled" in problem for problem in held_up.problems), str(held_up)
    assert verdict.passed, str(verdict)
