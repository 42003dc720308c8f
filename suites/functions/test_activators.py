"""What wakes functions is killed: no event is lost, and no function is forgotten."""

from __future__ import annotations

import allure
import pytest

from suites.conftest import Judged
from suites.functions.conftest import SceneOf
from suites.functions.judging import judge_asleep, judge_events
from suites.functions.parameters import each_way
from suites.functions.scenarios import activators_killed
from suites.functions.test_events import ZERO_SECONDS

pytestmark = [
    allure.parent_suite("Functions"),
    allure.feature("Activator"),
    pytest.mark.needs("functions"),
    pytest.mark.scenario("functions: activator killed"),
]


@pytest.mark.parametrize("way", each_way())
@allure.title("Activator killed twice: each event is handled once: {way}")
def test_an_activator_that_is_killed_loses_no_event(
    scene_of: SceneOf, judged: Judged, way: str
) -> None:
    scene = scene_of(activators_killed)
    judged(judge_events(evidence, way, least=3) for evidence in scene.evidence.values())


@pytest.mark.parametrize("way", each_way())
@allure.title("Activator killed twice: what was woken before goes back to zero: {way}")
def test_an_activator_that_is_killed_forgets_no_function(
    scene_of: SceneOf, judged: Judged, way: str
) -> None:
    scene = scene_of(activators_killed)
    judged(
        judge_asleep(evidence, way, limit_s=ZERO_SECONDS) for evidence in scene.evidence.values()
    )
