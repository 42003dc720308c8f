"""Online and without faults: each event is handled once, how soon, and back to zero."""

from __future__ import annotations

import allure
import pytest

from edge_lab.addons.functions.limits import LIMITS
from edge_lab.fixtures.nodes import LabNode
from edge_lab.fixtures.podstarts import Starting
from edge_lab.observe.scheduling.podstarts import Planned
from suites.conftest import Judged
from suites.functions.conftest import SceneOf
from suites.functions.judging import (
    judge_asleep,
    judge_copies,
    judge_events,
    judge_source,
    judge_waking,
)
from suites.functions.parameters import each_way
from suites.functions.scenarios import never_woken, online

pytestmark = [
    allure.parent_suite("Functions"),
    allure.feature("Waking"),
    pytest.mark.needs("functions"),
]

ZERO_SECONDS = 120.0
"""For a way to be at zero: its next event may just have woken it."""


@pytest.mark.scenario("functions: online")
@pytest.mark.parametrize("way", each_way())
@allure.title("Each event of the device is handled once: {way}")
def test_each_event_is_handled_once(
    scene_of: SceneOf, judged: Judged, pod_count: int, way: str
) -> None:
    scene = scene_of(online, pod_count)
    judged(judge_events(evidence, way, least=pod_count) for evidence in scene.evidence.values())


@pytest.mark.scenario("functions: online")
@pytest.mark.parametrize("way", each_way())
@allure.title("Latency from the device's step to the result, stage by stage: {way}")
def test_each_stage_of_a_waking_is_seen(
    scene_of: SceneOf, judged: Judged, pod_count: int, way: str
) -> None:
    scene = scene_of(online, pod_count)
    # One event may have found its function still running, or being stopped.
    least = max(1, pod_count - 1)
    judged(judge_waking(evidence, way, least=least) for evidence in scene.evidence.values())


@pytest.mark.scenario("functions: online")
@pytest.mark.parametrize("way", each_way())
@allure.title("No function runs while no events wait: {way}")
def test_what_was_woken_goes_back_to_zero(
    scene_of: SceneOf, judged: Judged, pod_count: int, way: str
) -> None:
    scene = scene_of(online, pod_count)
    judged(
        judge_asleep(evidence, way, limit_s=ZERO_SECONDS) for evidence in scene.evidence.values()
    )


@pytest.mark.scenario("functions: online")
@allure.title("Each crossing of the limit in the device's ground truth is one event")
def test_no_crossing_is_missed(scene_of: SceneOf, judged: Judged, pod_count: int) -> None:
    scene = scene_of(online, pod_count)
    (limit,) = LIMITS
    judged(judge_source(evidence, limit, least=pod_count) for evidence in scene.evidence.values())


@pytest.mark.scenario("functions: online")
@allure.title("The cloud has exactly one copy of each event")
def test_the_cloud_has_each_event_once(scene_of: SceneOf, judged: Judged, pod_count: int) -> None:
    scene = scene_of(online, pod_count)
    judged(judge_copies(evidence, least=pod_count) for evidence in scene.evidence.values())


@pytest.mark.scenario("functions: plain pods")
@allure.title("Start of a plain pod on {edge_node}, for comparison")
def test_a_plain_pod_beside_it(edge_node: LabNode, pod_starts: Starting, pod_count: int) -> None:
    times = pod_starts.one_by_one(edge_node, [Planned()] * pod_count)
    verdict = pod_starts.judge(times, edge_node.name)
    assert verdict.passed, str(verdict)


@allure.title("Without activators, unhandled events are detected (control)")
def test_a_function_that_is_never_woken_is_found(scene_of: SceneOf) -> None:
    scene = scene_of(never_woken)
    for evidence in scene.evidence.values():
        lost = judge_events(evidence, "process")
        assert not lost.passed, str(lost)
        assert not any(problem.startswith("no evidence") for problem in lost.problems), str(lost)
        # Functions that always run are not affected.
        assert judge_events(evidence, "warm").passed
