"""Debian's nats-server and the lab's program for real, on this machine: the suite's own scenarios
and judges, and functions and brokers that are defective."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from edge_lab.addons.functions.limits import LIMITS
from edge_lab.addons.functions.parts import activator_command
from edge_lab.addons.functions.ways import OWN_WAYS, PROCESS
from suites.functions import powerloss, scenarios
from suites.functions.judging import (
    judge_asleep,
    judge_copies,
    judge_events,
    judge_offline,
    judge_orphan,
    judge_source,
    judge_storm,
    judge_waking,
)
from suites.functions.scenarios import Scene
from tests.addons.fetch import suites
from tests.addons.functions.plant import running_plant
from tests.addons.functions.site import NODE, Site, running_site
from tests.golang import build

pytestmark = pytest.mark.native(reason="runs nats-server, and builds a Go program")

(LIMIT,) = LIMITS
EACH = 2


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("functions", tmp_path_factory.mktemp("functions") / "edge-functions")


@pytest.fixture(scope="module", params=suites())
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, program: Path
) -> Iterator[Site]:
    with (
        running_plant() as (plant, device),
        running_site(
            tmp_path_factory.mktemp(request.param), request.param, program, plant, device
        ) as site,
    ):
        yield site


def each_once(scene: Scene, least: int = 1) -> None:
    evidence = scene.evidence[NODE]
    for way in (way.name for way in OWN_WAYS):
        verdict = judge_events(evidence, way, least=least)
        assert verdict.passed, str(verdict)


def test_each_event_wakes_its_function_once_and_all_sleep_afterwards(site: Site) -> None:
    scene = scenarios.online(site, EACH)
    each_once(scene, EACH)
    evidence = scene.evidence[NODE]
    for way in (way.name for way in OWN_WAYS):
        for verdict in (
            judge_waking(evidence, way, least=1),
            judge_asleep(evidence, way, limit_s=60),
        ):
            assert verdict.passed, str(verdict)
    for verdict in (judge_source(evidence, LIMIT, least=EACH), judge_copies(evidence)):
        assert verdict.passed, str(verdict)


def test_a_silent_cloud_holds_up_no_event_and_has_all_after_the_heal(site: Site) -> None:
    scene = scenarios.offline(site, 1)
    each_once(scene)
    evidence = scene.evidence[NODE]
    for way in (way.name for way in OWN_WAYS):
        verdict = judge_offline(evidence, way)
        assert verdict.passed, str(verdict)
    verdict = judge_copies(evidence)
    assert verdict.passed, str(verdict)


def test_a_reset_while_offline_loses_no_event(site: Site) -> None:
    scene = powerloss.reset_while_offline(site)
    each_once(scene)
    verdict = judge_source(scene.evidence[NODE], LIMIT)
    assert verdict.passed, str(verdict)


def test_a_broker_that_is_killed_loses_no_event(site: Site) -> None:
    scene = scenarios.broker_killed(site)
    each_once(scene, 3)
    verdict = judge_copies(scene.evidence[NODE])
    assert verdict.passed, str(verdict)


def test_an_activator_that_is_killed_loses_no_event_and_forgets_no_function(site: Site) -> None:
    scene = scenarios.activators_killed(site)
    each_once(scene)
    assert scene.orphaned.keys() == {(NODE, way.name) for way in OWN_WAYS if way.by_activator}
    for (_, way), orphan in scene.orphaned.items():
        verdict = judge_orphan(scene.evidence[NODE], way, orphan)
        assert verdict.passed, str(verdict)


def test_an_activator_that_is_not_started_again_leaves_a_function_running(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site, "restarts_activator", False)
    monkeypatch.setattr(scenarios, "ASLEEP_SECONDS", 3.0)
    try:
        kill = partial(site.kill_activator, NODE)
        orphan = scenarios.orphaned(site, NODE, PROCESS.name, kill)
    finally:
        site.start("activator", activator_command(site.edge))
    evidence = scenarios.online(site, 1).evidence[NODE]
    verdict = judge_orphan(evidence, PROCESS.name, orphan)
    assert "a function of process keeps running" in verdict.problems


def test_over_a_bad_line_each_event_is_handled_once(site: Site) -> None:
    scene = scenarios.on_line(site, "3g", 1)
    each_once(scene)
    verdict = judge_copies(scene.evidence[NODE])
    assert verdict.passed, str(verdict)


def test_each_event_of_a_storm_is_handled_once(site: Site) -> None:
    scene = scenarios.storm(site, 200)
    each_once(scene, 200)
    verdict = judge_storm(scene.evidence[NODE], scene.storms[NODE])
    assert verdict.passed, str(verdict)


def test_where_nothing_wakes_functions_events_are_lost_but_for_warm_ones(site: Site) -> None:
    scene = scenarios.never_woken(site)
    evidence = scene.evidence[NODE]
    for way in OWN_WAYS:
        verdict = judge_events(evidence, way.name)
        assert verdict.passed != way.from_zero, str(verdict)
        assert not any(problem.startswith("no evidence") for problem in verdict.problems)
