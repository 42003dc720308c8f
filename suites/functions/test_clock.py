"""The clock of a node is wrong for a while: each event is handled once, functions are stopped."""

from __future__ import annotations

import allure
import pytest

from edge_lab.addons.functions.limits import LIMITS
from suites.conftest import Judged
from suites.functions.clocks import after_jump, judge_meanwhile, judge_stopped, wrong_clocks
from suites.functions.conftest import SceneOf
from suites.functions.judging import judge_copies, judge_events, judge_source
from suites.functions.parameters import each_way

pytestmark = [
    allure.parent_suite("Functions"),
    allure.feature("Clock"),
    pytest.mark.needs("functions"),
]

HOUR = 3600.0

CLOCKS = [
    pytest.param(HOUR, id="ahead", marks=pytest.mark.scenario("functions: clock ahead")),
    pytest.param(-HOUR, id="back", marks=pytest.mark.scenario("functions: clock set back")),
]


@pytest.mark.parametrize("way", each_way())
@pytest.mark.parametrize("seconds", CLOCKS)
@allure.title("Clock set by {seconds} s and corrected: each event is handled once: {way}")
def test_a_wrong_clock_loses_no_event(
    scene_of: SceneOf, judged: Judged, seconds: float, way: str
) -> None:
    scene = scene_of(wrong_clocks, seconds)
    judged(
        after_jump(evidence, judge_events(evidence, way, least=2))
        for evidence in scene.evidence.values()
    )


@pytest.mark.parametrize("way", each_way())
@pytest.mark.parametrize("seconds", CLOCKS)
@allure.title("Clock set by {seconds} s: events are handled before it is corrected: {way}")
def test_a_wrong_clock_holds_up_no_event(
    scene_of: SceneOf, judged: Judged, seconds: float, way: str
) -> None:
    scene = scene_of(wrong_clocks, seconds)
    judged(judge_meanwhile(evidence, way) for evidence in scene.evidence.values())


@pytest.mark.parametrize("seconds", CLOCKS)
@allure.title("Clock set by {seconds} s while a function runs: the function is stopped")
def test_a_wrong_clock_keeps_no_function_running(
    scene_of: SceneOf, judged: Judged, seconds: float
) -> None:
    scene = scene_of(wrong_clocks, seconds)
    judged(
        judge_stopped(scene.evidence[node], way, orphan)
        for (node, way), orphan in scene.orphaned.items()
    )


@pytest.mark.parametrize("seconds", CLOCKS)
@allure.title("Clock set by {seconds} s and corrected: no crossing is missed")
def test_a_wrong_clock_misses_no_crossing(
    scene_of: SceneOf, judged: Judged, seconds: float
) -> None:
    scene = scene_of(wrong_clocks, seconds)
    (limit,) = LIMITS
    judged(
        after_jump(evidence, judge_source(evidence, limit, least=2))
        for evidence in scene.evidence.values()
    )


@pytest.mark.parametrize("seconds", CLOCKS)
@allure.title("Clock set by {seconds} s and corrected: the cloud has one copy of each event")
def test_the_cloud_has_each_event_once_after_a_wrong_clock(
    scene_of: SceneOf, judged: Judged, seconds: float
) -> None:
    scene = scene_of(wrong_clocks, seconds)
    judged(
        after_jump(evidence, judge_copies(evidence, least=2))
        for evidence in scene.evidence.values()
    )
