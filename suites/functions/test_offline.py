"""While the node is cut off from the cloud, also with a loss of power meanwhile."""

from __future__ import annotations

import allure
import pytest

from edge_lab.addons.functions.limits import LIMITS
from suites.conftest import Judged
from suites.functions.conftest import SceneOf
from suites.functions.judging import judge_copies, judge_events, judge_offline, judge_source
from suites.functions.parameters import each_way
from suites.functions.powerloss import reset_while_offline
from suites.functions.scenarios import offline

pytestmark = [
    allure.parent_suite("Functions"),
    allure.feature("Offline"),
    pytest.mark.needs("functions"),
]

EACH = 2
"""Number of events of each way in an outage."""


@pytest.mark.core
@pytest.mark.scenario("functions: uplink cut")
@pytest.mark.parametrize("way", each_way())
@allure.title("Uplink cut: events still wake functions, and each is handled once: {way}")
def test_a_cut_holds_up_no_event(scene_of: SceneOf, judged: Judged, way: str) -> None:
    scene = scene_of(offline, EACH)
    judged(judge_offline(evidence, way, least=EACH) for evidence in scene.evidence.values())
    judged(judge_events(evidence, way, least=EACH) for evidence in scene.evidence.values())


@pytest.mark.core
@pytest.mark.scenario("functions: uplink cut")
@allure.title("After the heal, the cloud has exactly one copy of each event of the outage")
def test_the_cloud_catches_up(scene_of: SceneOf, judged: Judged) -> None:
    scene = scene_of(offline, EACH)
    judged(judge_copies(evidence, least=EACH) for evidence in scene.evidence.values())


@pytest.mark.scenario("functions: reset while offline")
@pytest.mark.parametrize("way", each_way(after_boot=True))
@allure.title("Power lost while offline: each event is handled once, before the heal: {way}")
def test_a_reset_while_offline_loses_no_event(scene_of: SceneOf, judged: Judged, way: str) -> None:
    scene = scene_of(reset_while_offline)
    judged(judge_offline(evidence, way) for evidence in scene.evidence.values())
    judged(judge_events(evidence, way) for evidence in scene.evidence.values())


@pytest.mark.scenario("functions: reset while offline")
@allure.title("Power lost while offline: no crossing is missed except during the boot")
def test_a_reset_while_offline_misses_no_crossing(scene_of: SceneOf, judged: Judged) -> None:
    scene = scene_of(reset_while_offline)
    (limit,) = LIMITS
    judged(judge_source(evidence, limit) for evidence in scene.evidence.values())


@pytest.mark.scenario("functions: reset while offline")
@allure.title("Power lost while offline: the cloud has exactly one copy of each event afterwards")
def test_the_cloud_catches_up_after_a_reset(scene_of: SceneOf, judged: Judged) -> None:
    scene = scene_of(reset_while_offline)
    judged(judge_copies(evidence) for evidence in scene.evidence.values())
