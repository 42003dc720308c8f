"""No event is lost when the broker is killed, its disk is full, or events come in a storm."""

from __future__ import annotations

import allure
import pytest

from suites.conftest import Judged
from suites.functions.conftest import SceneOf
from suites.functions.judging import judge_copies, judge_events, judge_refused, judge_storm
from suites.functions.parameters import each_way
from suites.functions.scenarios import broker_killed, full_disks, storm

pytestmark = [
    allure.parent_suite("Functions"),
    allure.feature("Broker"),
    pytest.mark.needs("functions"),
]

STORM = 300
"""Number of events for each way, published at once."""


@pytest.mark.scenario("functions: broker killed")
@pytest.mark.parametrize("way", each_way())
@allure.title("Broker killed twice: each event is handled once: {way}")
def test_a_broker_that_is_killed_loses_no_event(
    scene_of: SceneOf, judged: Judged, way: str
) -> None:
    scene = scene_of(broker_killed)
    judged(judge_events(evidence, way, least=3) for evidence in scene.evidence.values())


@pytest.mark.scenario("functions: broker killed")
@allure.title("Broker killed twice: the cloud has exactly one copy of each event")
def test_the_cloud_catches_up_after_a_kill(scene_of: SceneOf, judged: Judged) -> None:
    scene = scene_of(broker_killed)
    judged(judge_copies(evidence, least=3) for evidence in scene.evidence.values())


@pytest.mark.scenario("functions: disk full")
@pytest.mark.parametrize("way", each_way())
@pytest.mark.usefixtures("saved_lab")
@allure.title("Disk full: each event is handled once when there is room again: {way}")
def test_a_full_disk_loses_no_event(scene_of: SceneOf, judged: Judged, way: str) -> None:
    scene = scene_of(full_disks)
    judged(judge_events(evidence, way, least=3) for evidence in scene.evidence.values())


@pytest.mark.scenario("functions: disk full")
@allure.title("Disk full: the broker refuses events, and stores them when there is room again")
def test_a_full_disk_is_felt_and_left(scene_of: SceneOf, judged: Judged) -> None:
    scene = scene_of(full_disks)
    judged(judge_refused(evidence) for evidence in scene.evidence.values())


@pytest.mark.core
@pytest.mark.scenario("functions: storm")
@pytest.mark.parametrize("way", each_way())
@allure.title("Storm of events: each is handled once: {way}")
def test_each_event_of_a_storm_is_handled_once(scene_of: SceneOf, judged: Judged, way: str) -> None:
    scene = scene_of(storm, STORM)
    judged(judge_events(evidence, way, least=STORM) for evidence in scene.evidence.values())


@pytest.mark.core
@pytest.mark.scenario("functions: storm")
@allure.title("Storm of events: the node does not run out of memory")
def test_a_storm_stays_within_the_memory(scene_of: SceneOf, judged: Judged) -> None:
    scene = scene_of(storm, STORM)
    judged(judge_storm(scene.evidence[node], found) for node, found in scene.storms.items())
