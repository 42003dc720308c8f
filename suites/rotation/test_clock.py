"""Clocks that are wrong by years: valid certificates are invalid by the node's own clock."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.bringup.readiness import cluster_access
from edge_lab.cluster.kubectl import NOT_YET
from edge_lab.faults.engine import FaultEngine
from edge_lab.faults.kinds import ClockJump, Kill
from edge_lab.fixtures.autonomy import Autonomy
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.measures import Measuring
from edge_lab.fixtures.nodes import LabNode
from edge_lab.oracles.autonomy import Expectation
from edge_lab.stacks.readiness import approve_requests
from suites.edges import until_lost
from suites.nodestate import seen_in_time
from suites.rotation.views import ready_after, ready_at, record_of

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [allure.parent_suite("Rotation"), allure.feature("Clocks")]

YEAR_SECONDS = 365.0 * 86_400
BACK_SECONDS = 180.0


@pytest.mark.scenario("clock wrong by years")
@pytest.mark.parametrize(
    "years",
    [
        pytest.param(-1, id="a-year-behind"),
        # The lab's certificates are valid for five.
        pytest.param(6, id="six-years-ahead"),
    ],
)
@allure.title(
    "{edge_node} with its clock wrong by {years} years trusts no cloud until the clock is corrected"
)
def test_a_node_with_a_wrong_clock_comes_back_when_it_is_right(
    lab: Lab,
    edge_node: LabNode,
    years: int,
    faults: FaultEngine,
    autonomy: Autonomy,
    measure: Measuring,
    time_limit: TimeLimit,
) -> None:
    """Clients of the cloud are restarted meanwhile, as in a boot with that clock: established
    connections are not verified again.

    With its clock ahead, yurthub discards its serving certificate permanently, and requests a new
    one when the clock is right. The lab approves it, as the cloud has to.
    """
    node = edge_node.name
    agent = lab.stack.runtime.agents[0]
    jump = ClockJump(node=node, seconds=years * YEAR_SECONDS)
    with autonomy.watching(node) as watch:
        with faults.inflict(jump):
            with faults.inflict(Kill(node=node, service=agent)):
                pass  # systemd restarts it
            autonomy.hold(until_lost(lab))
        limit = time_limit(BACK_SECONDS)

        def is_well() -> bool:
            with contextlib.suppress(*NOT_YET):
                approve_requests(cluster_access(lab), limit)
            return watch.is_well(node)

        back_in_time = seen_in_time(limit, is_well)
    record = record_of(watch.recording, jump)
    assert record.heal_began is not None
    assert record.healed is not None
    assert not ready_at(watch.recording, node, record.heal_began), (
        "a node with an invalid certificate became Ready"
    )
    back = ready_after(watch.recording, node, record.healed)
    measure(
        "Ready after the clock was corrected",
        back,
        unit="s",
        better="lower",
        node=node,
        label="behind" if years < 0 else "ahead",
        reason="" if back is not None else "never",
    )
    assert back_in_time, f"{node} has not recovered"
    verdict = autonomy.judge(watch, node, Expectation(must_detect=True))
    assert verdict.passed, str(verdict)
