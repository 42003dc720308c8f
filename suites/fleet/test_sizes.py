"""Growing numbers of hollow nodes beside the real ones: where the control plane reaches its
limit."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.cluster.kubectl import KubectlError
from edge_lab.core.errors import LabError
from edge_lab.fixtures.fleets import READY_SECONDS, Fleets, sizes_of
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.measures import Measuring
from edge_lab.fixtures.outcomes import eventually
from edge_lab.oracles.fleet import judge_load, scale_limit
from suites.edges import edges, is_ready
from suites.fleet.holding import hold_each

if TYPE_CHECKING:
    from edge_lab.evidence.fleet import FleetLoad
    from edge_lab.handle.lab import Lab

pytestmark = [allure.parent_suite("Fleet"), allure.feature("Sizes")]

BACK_SECONDS = 300.0
"""Seconds for real nodes to be Ready after the fleet is removed, on the reference machine."""


@pytest.mark.scenario("fleet")
@allure.title(
    "The control plane sustains the smallest fleet; the largest that it sustains is measured"
)
def test_the_size_at_which_the_control_plane_fails(
    lab: Lab,
    fleets: Fleets,
    pytestconfig: pytest.Config,
    time_limit: TimeLimit,
    measure: Measuring,
) -> None:
    sizes = sizes_of(pytestconfig)
    hold = float(pytestconfig.getoption("--lab-fleet-hold"))
    with fleets.beside(sizes[0]) as fleet:

        def held_at(size: int) -> FleetLoad:
            growth = fleet.growth
            if size > fleet.size:
                growth = fleet.grow(size, time_limit(READY_SECONDS))
            if "twins" in lab.topology.addons:
                fleet.add_twins(1, time_limit(READY_SECONDS))
            return fleets.measuring(fleet).held(hold, growth)

        held = hold_each(sizes, held_at, lambda load: fleets.judge_load(load).passed, fleet.check)
    limit = scale_limit(held.loads)
    told = (
        f"sustains {limit.sustained} hollow nodes; {held.failure}" if held.failure else str(limit)
    )
    server = lab.topology.server.name
    measure(
        "largest fleet sustained",
        limit.sustained,
        unit="count",
        better="higher",
        node=server,
        evidence=told,
    )
    assert limit.sustained >= sizes[0], told
    for node in edges(lab):
        eventually(
            f"{node} is Ready after the fleet",
            partial(is_ready, lab, node, time_limit),
            time_limit(BACK_SECONDS),
            transient=(KubectlError,),
        )
    assert_controls(held.loads[0])


def assert_controls(load: FleetLoad) -> None:
    """The oracle rejects this evidence after any of these changes."""
    assert not judge_load(load.altered(never_ready=("hollow-00001",))).passed
    assert not judge_load(load.altered(lost=("hollow-00001",))).passed
    assert not judge_load(load.altered(renewals=load.renewals // 2)).passed
    slow = tuple(kind.altered(p99_s=60.0, count=1000) for kind in load.objectives)
    assert not judge_load(load.altered(objectives=slow)).passed
    with pytest.raises(LabError):
        judge_load(load.altered(objectives=()))
    with pytest.raises(LabError):
        judge_load(load.altered(ended=load.began))
