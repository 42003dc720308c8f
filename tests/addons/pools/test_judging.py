"""The verdicts of the suite, each with planted defects that turn it red."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from edge_lab.addons.pools.names import SITE
from edge_lab.addons.witness import Run
from suites.pools.evidence import Away, Change, Neighbour, Placement, Traffic
from suites.pools.judging import (
    judge_away,
    judge_change,
    judge_neighbour,
    judge_placement,
    judge_traffic,
    without,
)

NODE, RUNTIME = "edge-arm", "kubernetes+openyurt"


def run(configured: str, began: float, ended: float | None = None) -> Run:
    return Run(SITE, configured, f"{began}", began, ended)


def values(verdict: Any) -> dict[str, Any]:
    return {measure.name: measure.value for measure in verdict.measures}


# -- placement -------------------------------------------------------------------------------------

PLACED = Placement(
    node=NODE,
    runtime=RUNTIME,
    pool="north",
    members=frozenset({NODE}),
    region="north",
    configuration="north-2",
    changed=100,
    observed_at=160,
    runs=(run("north-1", 10, 112), run("north-2", 110)),
)


def test_a_node_that_runs_the_configuration_of_its_pool_passes() -> None:
    verdict = judge_placement(PLACED)
    assert verdict.passed, str(verdict)
    assert values(verdict) == {"configuration_of_its_pool_runs_after": 10}


@pytest.mark.parametrize(
    ("defect", "problem"),
    [
        ({"runs": (run("south-2", 110),)}, "it runs south-2, not north-2"),
        ({"runs": (run("north-2", 110), run("south-2", 111))}, "it runs north-2, south-2, not"),
        ({"runs": (run("north-1", 10), run("north-2", 110))}, "it runs north-1, north-2, not"),
        ({"runs": ()}, "it runs nothing"),
        ({"members": frozenset({"edge-riscv"})}, "north has edge-riscv, not edge-arm"),
        ({"members": frozenset()}, "north has nothing"),
        ({"region": "south"}, "its region is south"),
        ({"region": ""}, "its region is unknown"),
    ],
)
def test_a_wrong_pool_is_red(defect: dict[str, Any], problem: str) -> None:
    verdict = judge_placement(replace(PLACED, **defect))
    assert any(problem in found for found in verdict.problems), str(verdict)


# -- changes ---------------------------------------------------------------------------------------

HEALED = Change(
    node=NODE,
    runtime=RUNTIME,
    previous="north-1",
    configuration="south-2",
    since=200,
    observed_at=260,
    runs=(run("north-1", 10, 214), run("south-2", 220)),
    what="heal",
    refused=1,
)


def test_one_start_in_time_passes_and_is_measured() -> None:
    verdict = judge_change(HEALED, limit_s=60)
    assert verdict.passed, str(verdict)
    assert values(verdict) == {
        "new_configuration_runs_after_the_heal": 20,
        "starts_after_the_heal": 1,
        "without_the_workload_after_the_heal": 6,
        "pods_refused_by_the_node_after_the_heal": 1,
    }


@pytest.mark.parametrize(
    ("runs", "problem"),
    [
        ((run("south-2", 220),), "no evidence: it never ran north-1"),
        ((run("north-1", 10),), "it runs north-1, not south-2 alone"),
        ((run("north-1", 10), run("south-2", 220)), "it runs north-1, south-2, not"),
        ((run("north-1", 10, 214), run("south-2", 220), run("south-2", 225)), "not south-2 alone"),
        ((run("north-1", 10, 214), run("south-2", 265)), "it runs nothing"),
        (
            (run("north-1", 10, 214), run("south-2", 220, 222), run("south-2", 230)),
            "2 starts after the heal, not one",
        ),
        ((run("north-1", 10, 214), run("south-2", 150)), "it ran south-2 before the heal"),
        (
            (run("north-1", 10, 205), run("north-1", 207, 214), run("south-2", 220)),
            "2 starts after the heal, not one",
        ),
    ],
)
def test_a_change_that_goes_wrong_is_red(runs: tuple[Run, ...], problem: str) -> None:
    verdict = judge_change(replace(HEALED, runs=runs), limit_s=60)
    assert any(problem in found for found in verdict.problems), str(verdict)


def test_a_late_start_is_red() -> None:
    verdict = judge_change(HEALED, limit_s=10)
    assert "it started after 20 s; 10 s are allowed" in verdict.problems


# -- neighbours ------------------------------------------------------------------------------------

UNDISTURBED = Neighbour(NODE, RUNTIME, "north-1", 100, 150, True, (run("north-1", 10),))


def test_a_node_that_goes_on_passes() -> None:
    assert judge_neighbour(UNDISTURBED).passed


@pytest.mark.parametrize(
    ("defect", "problem"),
    [
        ({"runs": (run("north-1", 10, 120), run("north-1", 118))}, "1 restarts"),
        ({"reached": False}, "no evidence: the other pool"),
        ({"runs": ()}, "no evidence: it did not run north-1"),
    ],
)
def test_a_disturbed_neighbour_is_red(defect: dict[str, Any], problem: str) -> None:
    verdict = judge_neighbour(replace(UNDISTURBED, **defect))
    assert any(problem in found for found in verdict.problems), str(verdict)


# -- cut off ---------------------------------------------------------------------------------------

KEPT = Away(NODE, RUNTIME, "north-1", 100, 180, 120, True, (run("north-1", 10),))


LOST_POWER = replace(KEPT, reset=130, runs=(run("north-1", 10, 130), run("north-1", 150)))


def test_a_node_that_runs_the_same_after_a_loss_of_power_passes() -> None:
    verdict = judge_away(LOST_POWER)
    assert verdict.passed, str(verdict)
    assert values(verdict) == {
        "without_the_workload_after_a_loss_of_power": 20,
        "starts_after_a_loss_of_power": 1,
    }


@pytest.mark.parametrize(
    ("defect", "problem"),
    [
        ({"runs": (run("north-1", 10, 130),)}, "after its boot it runs nothing, not north-1"),
        ({"runs": (run("north-1", 10),)}, "0 starts while it was cut off, not one"),
        ({"runs": (run("north-1", 10, 130), run("north-2", 150))}, "it runs north-2, not north-1"),
        (
            {"runs": (*LOST_POWER.runs, run("north-2", 151, 160))},
            "it started north-2 while cut off",
        ),
        (
            {"runs": (run("north-1", 10, 130), run("north-1", 140, 145), run("north-1", 150))},
            "2 starts while it was cut off",
        ),
        ({"reset": 110}, "no evidence: it did not lose its power after the change"),
        (
            {"runs": (run("north-1", 10, 125), run("north-1", 126))},
            "1 starts before it lost its power",
        ),
    ],
)
def test_a_node_that_does_not_run_the_same_after_a_loss_of_power_fails(
    defect: dict[str, Any], problem: str
) -> None:
    problems = judge_away(replace(LOST_POWER, **defect)).problems
    assert any(problem in found for found in problems), problems


def test_a_node_that_goes_on_while_cut_off_passes() -> None:
    verdict = judge_away(KEPT)
    assert verdict.passed, str(verdict)
    assert values(verdict) == {"without_the_workload_while_cut_off": 0, "starts_while_cut_off": 0}


@pytest.mark.parametrize(
    ("defect", "problem"),
    [
        ({"runs": (run("north-1", 10, 150),)}, "the workload did not run for 30 s"),
        ({"runs": (run("north-1", 10, 150), run("north-1", 151))}, "it started north-1"),
        ({"runs": (run("north-1", 10), run("north-2", 150))}, "it started north-2"),
        ({"runs": (run("north-0", 10),)}, "no evidence: it did not run north-1"),
        ({"ended": 110}, "no evidence: it was cut off for 10 s"),
        ({"changed": 90}, "no evidence: no configuration was changed"),
        ({"noticed": False}, "no evidence: the cloud"),
    ],
)
def test_a_node_that_stops_while_cut_off_is_red(defect: dict[str, Any], problem: str) -> None:
    verdict = judge_away(replace(KEPT, **defect))
    assert any(problem in found for found in verdict.problems), str(verdict)


def test_outages_are_summed_without_counting_twice() -> None:
    runs = (run("a", 0, 110), run("b", 105, 120), run("c", 130, 140), run("d", 150))
    assert without(runs, 100, 160) == 20
    assert without((), 100, 160) == 60
    assert without((run("a", 0, 50), run("b", 170)), 100, 160) == 60


# -- traffic ---------------------------------------------------------------------------------------

OWN, FOREIGN = frozenset({"10.244.1.5"}), frozenset({"10.244.2.7"})
WITHIN = Traffic(NODE, RUNTIME, SITE, "north", OWN, FOREIGN, OWN)


def test_traffic_within_a_pool_passes() -> None:
    verdict = judge_traffic(WITHIN)
    assert verdict.passed, str(verdict)
    assert values(verdict)["endpoints_of_other_pools_site"] == 0


@pytest.mark.parametrize(
    ("defect", "problem"),
    [
        ({"given": OWN | FOREIGN}, "site leads to pods of other pools: 10.244.2.7"),
        ({"given": FOREIGN}, "site does not lead to pods of the own pool: 10.244.1.5"),
        ({"given": frozenset()}, "site does not lead to pods of the own pool: 10.244.1.5"),
        ({"given": OWN | {"10.244.1.4"}}, "site leads to 10.244.1.4, where no pod is Ready"),
        ({"own": frozenset()}, "no evidence: its pool"),
        ({"foreign": frozenset()}, "no evidence: no other pool"),
    ],
)
def test_traffic_that_leaves_its_pool_is_red(defect: dict[str, Any], problem: str) -> None:
    verdict = judge_traffic(replace(WITHIN, **defect))
    assert any(problem in found for found in verdict.problems), str(verdict)


def test_endpoints_that_were_missing_before_are_counted_not_judged() -> None:
    alone = replace(WITHIN, foreign=frozenset())
    verdict = judge_traffic(alone, alone=True, before=replace(alone, given=frozenset()))
    assert verdict.passed, str(verdict)
    assert 1 in values(verdict).values()
