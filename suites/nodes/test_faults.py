"""Faults of the machine below a node: it is paused, its clock jumps, its disk fills up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.faults.catalog import kind_named
from edge_lab.faults.engine import FaultEngine
from edge_lab.fixtures.autonomy import Autonomy
from edge_lab.oracles.autonomy import Expectation
from suites.edges import edges, until_lost
from suites.passing import all_passed

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [allure.parent_suite("Nodes"), allure.feature("Machines")]

STANDS_STILL = Expectation(downtime_s=None, must_detect=True)
"""A paused node runs nothing, and is lost for the API server."""

GOES_ON = Expectation()


@pytest.mark.parametrize(
    ("kind", "settings", "expect"),
    [
        pytest.param(
            "pause", {}, STANDS_STILL, id="paused", marks=pytest.mark.scenario("node paused")
        ),
        pytest.param(
            "clock-jump",
            {"seconds": -3600},
            GOES_ON,
            id="clock-back",
            marks=pytest.mark.scenario("clock an hour behind"),
        ),
        pytest.param(
            "disk-full",
            {"path": "/var", "leave_mib": 400},
            GOES_ON,
            id="disk-nearly-full",
            marks=pytest.mark.scenario("disk nearly full"),
        ),
        pytest.param(
            "slow-disk",
            {"iops": 15},
            GOES_ON,
            id="slow-disk",
            marks=pytest.mark.scenario("disk at 15 operations per second"),
        ),
    ],
)
@allure.title("Edge nodes recover from {kind}, and no sample is lost")
def test_the_edge_outlives_a_fault_of_its_machine(
    lab: Lab,
    faults: FaultEngine,
    autonomy: Autonomy,
    kind: str,
    settings: dict[str, object],
    expect: Expectation,
) -> None:
    suffered = [kind_named(kind).model_validate({"node": node, **settings}) for node in edges(lab)]
    with autonomy.watching() as watch, faults.inflict_all(suffered):
        autonomy.hold(until_lost(lab))
    all_passed([autonomy.judge(watch, node, expect) for node in edges(lab)])
