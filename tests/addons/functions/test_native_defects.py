"""Functions and brokers with a defect, for real: each turns its verdict red, and the lab's own does
not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from edge_lab.oracles.verdict import Verdict
from suites.functions import scenarios
from suites.functions.judging import judge_events, judge_refused
from suites.functions.scenarios import Scene
from tests.addons.fetch import suites
from tests.addons.functions.plant import running_plant
from tests.addons.functions.site import NODE, Site, running_site
from tests.addons.functions.test_native import program
from tests.smalldisk import small_disk

__all__ = ["program"]

pytestmark = pytest.mark.native(reason="runs nats-server, and builds a Go program")

WARM = "warm"
WORK = ("--work", "1s")
AGAIN_SECONDS = 60.0
"""An event that is not acknowledged comes again after 20 s."""
FORKY, TRIXIE = "forky", "trixie"


@contextmanager
def site_of(
    tmp_path: Path, program: Path, suite: str = TRIXIE, cycle: int = 60, **how: Any
) -> Iterator[Site]:
    with (
        running_plant(cycle=cycle) as (plant, device),
        running_site(tmp_path, suite, program, plant, device, **how) as site,
    ):
        yield site


def killed_at_work(site: Site) -> Scene:
    """The warm function is killed while it works for an event."""
    found = Scene(site)
    found.begin()

    def works() -> bool:
        """All was delivered, and something is not done."""
        waits = any(one.way == WARM for one in found.events(NODE)) and found.unhandled(NODE)
        return bool(waits) and not backlog(site, WARM)["waiting"]

    assert site.supervisor is not None
    site.until("an event for the warm function", works, AGAIN_SECONDS)
    (event,) = (one for one in found.events(NODE) if one.way == WARM)
    assert event.id in found.unhandled(NODE), "it was done too soon: the kill shows nothing"
    assert site.supervisor.kill(WARM)
    return found


def backlog(site: Site, way: str) -> dict[str, int]:
    said = site.ask((str(site.program), "backlog", "--server", site.edge.url, "--way", way))
    found: dict[str, int] = json.loads(said)[way]
    return found


def verdict_on(scene: Scene, way: str = WARM) -> Verdict:
    return judge_events(scene.look(NODE), way)


def test_a_function_that_acknowledges_before_it_has_done_it_loses_an_event(
    tmp_path: Path, program: Path
) -> None:
    with site_of(tmp_path, program, options=("--acknowledge", "before", *WORK)) as site:
        scene = killed_at_work(site)
        assert not scene.all_handled(AGAIN_SECONDS / 2)
        verdict = verdict_on(scene)
    assert not verdict.passed
    assert any("were not handled" in problem for problem in verdict.problems), str(verdict)


def test_one_that_acknowledges_afterwards_does_not(tmp_path: Path, program: Path) -> None:
    with site_of(tmp_path, program, options=WORK) as site:
        scene = killed_at_work(site)
        assert scene.all_handled(AGAIN_SECONDS)
        verdict = verdict_on(scene)
    assert verdict.passed, str(verdict)


@pytest.mark.parametrize("forgetful", [True, False])
def test_one_that_does_not_acknowledge_repeats_events_unless_it_knows_them(
    tmp_path: Path, program: Path, forgetful: bool
) -> None:
    options = ("--acknowledge", "never", *(("--forgetful",) if forgetful else ()))
    with site_of(tmp_path, program, options=options) as site:
        scene = Scene(site)
        scene.begin()

        def came_again() -> bool:
            records = site.records(NODE)
            again = [one.id for one in records.handled if one.attempt > 1]
            return any(".temperature." in id for id in (*records.repeated, *again))

        site.until("an event that comes again", came_again, AGAIN_SECONDS)
        scene.all_handled(AGAIN_SECONDS)
        evidence = scene.look(NODE)
        verdicts = [judge_events(evidence, way) for way in evidence.ways]
    twice = [one for one in verdicts if any("more than once" in it for it in one.problems)]
    assert bool(twice) == forgetful, "\n".join(map(str, verdicts))


@pytest.mark.parametrize("suite", suites())
def test_a_full_disk_loses_no_event(tmp_path: Path, program: Path, suite: str) -> None:
    with (
        small_disk(tmp_path / f"{NODE}-state"),
        site_of(tmp_path, program, suite, cycle=20) as site,
    ):
        scene = scenarios.full_disks(site)
        evidence = scene.evidence[NODE]
        verdicts = [judge_events(evidence, way) for way in evidence.ways]
        verdicts.append(judge_refused(evidence))
    assert all(one.passed for one in verdicts), "\n".join(map(str, verdicts))


def test_a_broker_that_was_once_full_and_is_not_started_anew_takes_no_more_events(
    tmp_path: Path, program: Path
) -> None:
    """nats-server 2.15.1; 2.10.27 goes on by itself."""
    with (
        small_disk(tmp_path / f"{NODE}-state"),
        site_of(tmp_path, program, FORKY, cycle=20, restarts=False) as site,
    ):
        scene = Scene(site)
        scene.begin()
        scene.until_crossed(1)
        assert scene.all_handled()
        with site.full_disks():
            scene.until_crossed(1)
            site.until("an event is refused", scene.unstored, AGAIN_SECONDS)
        assert not scene.all_handled(AGAIN_SECONDS / 2)
        evidence = scene.look(NODE)
        verdicts = [judge_events(evidence, way) for way in evidence.ways]
    assert not all(one.passed for one in verdicts), "\n".join(map(str, verdicts))


@pytest.mark.parametrize("denied", [True, False])
def test_the_server_cannot_make_events_of_a_node_unless_it_is_let(
    tmp_path: Path, program: Path, denied: bool
) -> None:
    with site_of(tmp_path, program, deny_imports=denied) as site:
        scene = Scene(site)
        scene.begin()
        forged = (
            *(str(program), "storm", "--server", site.cloud.url, "--node", NODE),
            *("--way", WARM, "--count", "1", "--journal", site.cloud.storm_journal),
        )
        refused = json.loads(site.ask(forged).splitlines()[-1])["refused"]
        scene.until_crossed(1)
        scene.all_handled()
        verdict = verdict_on(scene)
    assert refused == int(denied)
    assert verdict.passed == denied, str(verdict)
