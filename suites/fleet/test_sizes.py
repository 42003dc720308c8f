"""Hollow nodes beside the real ones, more and more of them: where the control plane bends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.core.errors import LabError
from edge_lab.fixtures.fleets import READY_SECONDS, Fleets, sizes_of
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.measures import Measuring
from edge_lab.oracles.fleet import bend, judge_load
from suites.edges import edges, is_ready

if TYPE_CHECKING:
    from edge_lab.evidence.fleet import FleetLoad
    from edge_lab.handle.lab import Lab

pytestmark = [allure.parent_suite("Fleet"), allure.feature("Sizes")]


@pytest.mark.scenario("fleet")
@allure.title("The control plane holds a fleet of the smallest size; where it bends is measured")
def test_where_the_control_plane_bends(
    lab: Lab,
    fleets: Fleets,
    pytestconfig: pytest.Config,
    time_limit: TimeLimit,
    measure: Measuring,
) -> None:
    sizes = sizes_of(pytestconfig)
    hold = float(pytestconfig.getoption("--lab-fleet-hold"))
    loads: list[FleetLoad] = []
    with fleets.beside(sizes[0]) as fleet:
        growth = fleet.growth
        for size in sizes:
            if size > fleet.size:
                growth = fleet.grow(size, time_limit(READY_SECONDS))
            if "twins" in lab.topology.addons:
                fleet.add_twins(1, time_limit(READY_SECONDS))
            loads.append(fleets.measuring(fleet).held(hold, growth))
            if not fleets.judge_load(loads[-1]).passed:
                break  # what is larger would tell nothing else, and may take the lab with it
        away = [node for node in edges(lab) if not is_ready(lab, node, time_limit)]
    found = bend(loads)
    server = lab.topology.server.name
    measure(
        "largest fleet that held",
        found.holds,
        unit="count",
        better="higher",
        node=server,
        evidence=str(found),
    )
    assert not away, f"real nodes are not Ready beside the fleet: {', '.join(away)}"
    assert found.holds >= sizes[0], str(found)
    assert_controls(loads[0])


def assert_controls(load: FleetLoad) -> None:
    """The oracle objects to this very evidence as soon as something in it is otherwise."""
    assert not judge_load(load.altered(never_ready=("hollow-00001",))).passed
    assert not judge_load(load.altered(lost=("hollow-00001",))).passed
    assert not judge_load(load.altered(renewals=load.renewals // 2)).passed
    slow = tuple(kind.altered(p99_s=60.0, count=1000) for kind in load.objectives)
    assert not judge_load(load.altered(objectives=slow)).passed
    with pytest.raises(LabError):
        judge_load(load.altered(objectives=()))
    with pytest.raises(LabError):
        judge_load(load.altered(ended=load.began))
