"""The suite's scenarios in memory: with a product that works, and with planted defects."""

from __future__ import annotations

from typing import Any

import pytest

from edge_lab.addons.pools.names import EVERYWHERE, NAMESPACE, POOL_LABEL, SITE
from edge_lab.core.errors import LabError
from suites.pools import scenarios
from suites.pools.judging import (
    judge_away,
    judge_change,
    judge_neighbour,
    judge_placement,
    judge_traffic,
)
from suites.pools.labside import LabSide
from suites.pools.scenarios import BACK_SECONDS, CHANGE_SECONDS
from tests.addons.pools.simulated import SimulatedSide


def test_each_node_runs_the_configuration_of_its_pool() -> None:
    found = scenarios.placement(SimulatedSide())
    assert len(found) == 3
    assert all(judge_placement(placement).passed for placement in found)


def test_tweaks_for_the_wrong_pools_are_red() -> None:
    for found in scenarios.placement(SimulatedSide(), exchanged=True):
        verdict = judge_placement(found)
        assert any(problem.startswith("it runs ") for problem in verdict.problems), str(verdict)


def test_a_change_of_one_pool_leaves_the_others_alone() -> None:
    found = scenarios.neighbour(SimulatedSide(), "south")
    assert [neighbour.node for neighbour in found] == ["n1", "n2"]
    assert all(judge_neighbour(neighbour).passed for neighbour in found)


def test_traffic_stays_in_its_pool_where_it_is_filtered() -> None:
    side = SimulatedSide()
    assert all(judge_traffic(found).passed for found in scenarios.traffic(side, SITE))
    assert not any(judge_traffic(found).passed for found in scenarios.traffic(side, EVERYWHERE))
    without = scenarios.traffic(SimulatedSide(filters=False), SITE)
    assert not any(judge_traffic(found).passed for found in without)


def test_a_pool_that_is_cut_off_goes_on_and_catches_up() -> None:
    found = scenarios.cut_off(SimulatedSide(), "north")
    assert [away.node for away in found.away] == ["n1", "n2"]
    assert [change.node for change in found.others] == ["s1"]
    assert all(judge_away(away).passed for away in found.away)
    assert all(judge_change(change, limit_s=CHANGE_SECONDS).passed for change in found.others)
    assert all(judge_change(change, limit_s=BACK_SECONDS).passed for change in found.back)


def test_a_pool_that_loses_its_power_while_cut_off_runs_the_same_again() -> None:
    found = scenarios.cut_off(SimulatedSide(), "north", reset=True)
    verdicts = [judge_away(away) for away in found.away]
    assert all(verdict.passed for verdict in verdicts), str(verdicts[0])
    assert all(judge_change(change, limit_s=BACK_SECONDS).passed for change in found.back)


def test_a_pool_that_runs_nothing_after_a_loss_of_power_is_red() -> None:
    found = scenarios.cut_off(SimulatedSide(forgets=True), "north", reset=True)
    for away in found.away:
        problems = judge_away(away).problems
        assert any(problem.startswith("after its boot it runs nothing") for problem in problems)


def test_a_pool_that_stops_while_it_is_cut_off_is_red() -> None:
    found = scenarios.cut_off(SimulatedSide(loses_pods=True), "north")
    assert not any(judge_away(away).passed for away in found.away)


def test_a_crash_loop_after_the_heal_is_red() -> None:
    found = scenarios.cut_off(SimulatedSide(restarts=3), "north")
    for change in found.back:
        verdict = judge_change(change, limit_s=BACK_SECONDS)
        assert any("3 starts after the heal" in problem for problem in verdict.problems)


def test_a_node_that_is_moved_while_offline_changes_once_and_is_moved_back() -> None:
    side = SimulatedSide()
    found = scenarios.moved(side, "n1", "south")
    assert judge_away(found.away).passed
    assert judge_change(found.back, limit_s=BACK_SECONDS).passed
    assert found.back.configuration.startswith("south-")
    verdict = judge_traffic(found.traffic, before=found.kept)
    assert verdict.passed, str(verdict)
    # Until it is told of its new pool, yurthub gives it the endpoints of the old one.
    assert not judge_traffic(found.kept).passed
    assert side.membership == side.hubs == {"n1": "north", "n2": "north", "s1": "south"}


def test_a_node_is_moved_back_after_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise LabError("the node does not answer")

    monkeypatch.setattr(scenarios, "traffic_now", fails)
    side = SimulatedSide()
    with pytest.raises(LabError, match="does not answer"):
        scenarios.moved(side, "n1", "south")
    assert side.membership == side.hubs == {"n1": "north", "n2": "north", "s1": "south"}


# -- the lab's side --------------------------------------------------------------------------------


class RecordingKubectl:
    """Records patches."""

    def __init__(self) -> None:
        self.patches: list[tuple[tuple[str, ...], dict[str, Any]]] = []

    def patch(self, *args: str, patch: dict[str, Any], deadline: object) -> None:
        self.patches.append((args, patch))


class RecordingLab:
    def __init__(self) -> None:
        self.kubectl = RecordingKubectl()


@pytest.fixture
def lab() -> Any:
    return RecordingLab()


@pytest.fixture
def lab_side(lab: Any) -> LabSide:
    faults: Any = None
    limit: Any = lambda seconds: seconds  # noqa: E731
    return LabSide(lab, faults, limit)


def test_a_move_is_a_removal_and_an_addition(lab: Any, lab_side: LabSide) -> None:
    lab_side.move("edge-arm", "south")
    assert lab.kubectl.patches == [
        (("node", "edge-arm"), {"metadata": {"labels": {POOL_LABEL: None}}}),
        (("node", "edge-arm"), {"metadata": {"labels": {POOL_LABEL: "south"}}}),
    ]


def test_a_configuration_replaces_all_tweaks(lab: Any, lab_side: LabSide) -> None:
    tweaks = [{"pools": ["north"], "tweaks": {"replicas": 1, "patches": []}}]
    lab_side.configure(tweaks)
    ((words, patch),) = lab.kubectl.patches
    assert words == ("yurtappsets", SITE, "-n", NAMESPACE)
    assert patch == {"spec": {"workload": {"workloadTweaks": tweaks}}}


def test_names_of_configurations_differ_between_sessions(lab_side: LabSide, lab: Any) -> None:
    assert lab_side.name() != lab_side.name()
    faults: Any = None
    other = LabSide(lab, faults, lab_side.limit, _session="0")
    assert other.name() == "c0-1"
