"""What wakes functions is killed while one runs: no event is lost, and the function is stopped."""

from __future__ import annotations

import allure
import pytest

from edge_lab.addons.functions.ways import WAYS
from suites.conftest import Judged
from suites.functions.conftest import SceneOf
from suites.functions.judging import judge_events, judge_orphan
from suites.functions.parameters import each_way
from suites.functions.scenarios import activators_killed

pytestmark = [
    allure.parent_suite("Functions"),
    allure.feature("Activator"),
    pytest.mark.needs("functions"),
    pytest.mark.scenario("functions: activator killed"),
]


@pytest.mark.parametrize("way", each_way())
@allure.title("Activator killed while functions run: each event is handled once: {way}")
def test_an_activator_that_is_killed_loses_no_event(
    scene_of: SceneOf, judged: Judged, way: str
) -> None:
    scene = scene_of(activators_killed)
    judged(judge_events(evidence, way) for evidence in scene.evidence.values())


@pytest.mark.parametrize("way", [way for way in each_way() if WAYS[way.id].by_activator])
@allure.title("Activator killed while a function runs: the next one stops it: {way}")
def test_an_activator_that_is_killed_forgets_no_function(
    scene_of: SceneOf, judged: Judged, way: str
) -> None:
    scene = scene_of(activators_killed)
    judged(
        judge_orphan(scene.evidence[node], way, orphan)
        for (node, of), orphan in scene.orphaned.items()
        if of == way
    )
