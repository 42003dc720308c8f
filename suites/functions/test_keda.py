"""Functions that KEDA wakes from the cloud: online like the others, offline not at all."""

from __future__ import annotations

import allure
import pytest

from edge_lab.addons.functions.ways import KEDA, PROCESS, capability
from suites.conftest import Judged
from suites.functions.conftest import SceneOf
from suites.functions.judging import (
    judge_asleep,
    judge_events,
    judge_unreached,
    judge_waking,
)
from suites.functions.kedascenarios import cut_off, operator_stopped, reset_while_cut_off
from suites.functions.scenarios import broker_killed, full_disks, offline, on_line, online, storm
from suites.functions.test_events import ZERO_SECONDS
from suites.functions.test_offline import EACH
from suites.functions.test_storage import STORM

pytestmark = [
    allure.parent_suite("Functions"),
    allure.feature("Scaler in the cloud"),
    pytest.mark.needs(capability(KEDA)),
]


@pytest.mark.scenario("functions: online")
@allure.title("KEDA: each event of the device is handled once")
def test_each_event_is_handled_once(scene_of: SceneOf, judged: Judged, pod_count: int) -> None:
    scene = scene_of(online, pod_count)
    judged(
        judge_events(evidence, KEDA.name, least=pod_count) for evidence in scene.evidence.values()
    )


@pytest.mark.scenario("functions: online")
@allure.title("KEDA: latency from the device's step to the result, stage by stage")
def test_each_stage_of_a_waking_is_seen(scene_of: SceneOf, judged: Judged, pod_count: int) -> None:
    scene = scene_of(online, pod_count)
    # One event may have found its function still running, or being stopped.
    least = max(1, pod_count - 1)
    judged(judge_waking(evidence, KEDA.name, least=least) for evidence in scene.evidence.values())


@pytest.mark.scenario("functions: online")
@allure.title("KEDA: no function runs while no events wait")
def test_what_was_woken_goes_back_to_zero(
    scene_of: SceneOf, judged: Judged, pod_count: int
) -> None:
    scene = scene_of(online, pod_count)
    judged(
        judge_asleep(evidence, KEDA.name, limit_s=ZERO_SECONDS)
        for evidence in scene.evidence.values()
    )


@pytest.mark.scenario("functions: broker killed")
@allure.title("KEDA: broker killed twice: each event is handled once")
def test_a_broker_that_is_killed_loses_no_event(scene_of: SceneOf, judged: Judged) -> None:
    scene = scene_of(broker_killed)
    judged(judge_events(evidence, KEDA.name, least=3) for evidence in scene.evidence.values())


@pytest.mark.scenario("functions: disk full")
@pytest.mark.usefixtures("saved_lab")
@allure.title("KEDA: disk full: each event is handled once when there is room again")
def test_a_full_disk_loses_no_event(scene_of: SceneOf, judged: Judged) -> None:
    scene = scene_of(full_disks)
    judged(judge_events(evidence, KEDA.name, least=3) for evidence in scene.evidence.values())


@pytest.mark.scenario("functions: storm")
@allure.title("KEDA: storm of events: each is handled once")
def test_each_event_of_a_storm_is_handled_once(scene_of: SceneOf, judged: Judged) -> None:
    scene = scene_of(storm, STORM)
    judged(judge_events(evidence, KEDA.name, least=STORM) for evidence in scene.evidence.values())


@pytest.mark.scenario("functions: uplink cut")
@allure.title("KEDA: uplink cut: after the heal, each event of the outage is handled once")
def test_a_cut_loses_no_event(scene_of: SceneOf, judged: Judged) -> None:
    scene = scene_of(offline, EACH)
    judged(judge_events(evidence, KEDA.name, least=EACH) for evidence in scene.evidence.values())


@pytest.mark.core
@pytest.mark.scenario("functions: cut off from KEDA")
@allure.title("Uplink cut: KEDA wakes no function, while the node's own activator does")
def test_a_cut_holds_up_events_of_keda(scene_of: SceneOf, judged: Judged) -> None:
    scene = scene_of(cut_off)
    judged(
        judge_unreached(evidence, KEDA.name, PROCESS.name) for evidence in scene.evidence.values()
    )


@pytest.mark.core
@pytest.mark.scenario("functions: cut off from KEDA")
@allure.title("Uplink cut: after the heal, KEDA wakes the function, and each event is handled once")
def test_after_the_heal_each_event_is_handled_once(scene_of: SceneOf, judged: Judged) -> None:
    scene = scene_of(cut_off)
    judged(judge_events(evidence, KEDA.name) for evidence in scene.evidence.values())


@pytest.mark.scenario("functions: 3G line")
@allure.title("KEDA: uplink is a 3G line: each event is handled once")
def test_a_bad_line_loses_no_event(scene_of: SceneOf, judged: Judged) -> None:
    scene = scene_of(on_line, "3g", EACH)
    judged(judge_events(evidence, KEDA.name, least=EACH) for evidence in scene.evidence.values())


@pytest.mark.scenario("functions: reset while cut off from KEDA")
@allure.title("Power lost while offline: KEDA wakes no function, the node's own activator does")
def test_a_reset_while_offline_holds_up_events_of_keda(scene_of: SceneOf, judged: Judged) -> None:
    scene = scene_of(reset_while_cut_off)
    judged(
        judge_unreached(evidence, KEDA.name, PROCESS.name) for evidence in scene.evidence.values()
    )


@pytest.mark.scenario("functions: reset while cut off from KEDA")
@allure.title("Power lost while offline: after the heal, KEDA's events are each handled once")
def test_a_reset_while_offline_loses_no_event(scene_of: SceneOf, judged: Judged) -> None:
    scene = scene_of(reset_while_cut_off)
    judged(judge_events(evidence, KEDA.name) for evidence in scene.evidence.values())


@allure.title("Without KEDA's operator, unhandled events are detected (control)")
def test_an_operator_that_does_not_run_is_found(scene_of: SceneOf) -> None:
    scene = scene_of(operator_stopped)
    for evidence in scene.offline.values():
        lost = judge_events(evidence, KEDA.name)
        assert not lost.passed, str(lost)
        assert not any(problem.startswith("no evidence") for problem in lost.problems), str(lost)
        # The node's own activator is not affected.
        assert judge_events(evidence, PROCESS.name).passed
    for evidence in scene.evidence.values():
        assert judge_events(evidence, KEDA.name).passed
