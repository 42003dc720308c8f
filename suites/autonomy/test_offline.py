"""Nodes that lose power or their agents while the cloud is unreachable."""

from __future__ import annotations

from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.faults.engine import FaultEngine
from edge_lab.faults.families.node.services import STARTED_BY_HAND
from edge_lab.faults.kinds import Cut, Kill, Reboot
from edge_lab.fixtures.autonomy import Autonomy
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.oracles.autonomy import Expectation
from suites.autonomy.sandboxes import SamplerSandboxes
from suites.edges import edges, uplink
from suites.known import edgecore_ends_containers
from suites.nodestate import missing_after_reboot
from suites.passing import all_passed

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [allure.parent_suite("Autonomy"), allure.feature("Offline")]

AFTERMATH_SECONDS = 30.0


@pytest.mark.scenario("reboot while offline")
@pytest.mark.fails_without("offline-reboot")
@allure.title("Nodes that reboot while offline run their pods before the uplink is restored")
def test_pods_are_back_before_the_network_is(
    lab: Lab,
    faults: FaultEngine,
    autonomy: Autonomy,
    sandboxes: SamplerSandboxes,
    time_limit: TimeLimit,
) -> None:
    with autonomy.watching() as watch:
        away = missing_after_reboot(lab, faults, watch.recorder, time_limit, offline=sandboxes.look)
    # A node without power runs nothing: the downtime is a measure, not a failure.
    expect = Expectation(downtime_s=None, may_restart=None, must_detect=True, up_at_heal=True)
    verdicts = [autonomy.judge(watch, node, expect) for node in edges(lab)]
    assert not away, f"the pods were not running again before the heal on {', '.join(away)}"
    all_passed(verdicts)
    sandboxes.judge()


@pytest.mark.scenario("agents killed while offline")
@pytest.mark.needs("autonomy")
@edgecore_ends_containers
@allure.title("Agents killed while their node is offline are restarted, and no pod is affected")
def test_agents_that_are_killed_offline_leave_the_pods_alone(
    lab: Lab, faults: FaultEngine, autonomy: Autonomy, sandboxes: SamplerSandboxes
) -> None:
    agents = lab.stack.runtime.agents
    assert agents, "the runtime names no agent"
    with (
        autonomy.watching() as watch,
        faults.inflict_all([Cut(link=uplink(lab, node)) for node in edges(lab)]),
    ):
        for agent in agents:
            with faults.inflict_all([Kill(node=node, service=agent) for node in edges(lab)]):
                pass  # healed when systemd has restarted it, otherwise by hand
        autonomy.hold(AFTERMATH_SECONDS)
        sandboxes.look()
    kills = [record for record in watch.recording.faults if isinstance(record.fault, Kill)]
    assert len(kills) == len(agents) * len(edges(lab))
    helped = [kill.fault.title for kill in kills if STARTED_BY_HAND in kill.cure]
    assert not helped, f"not restarted by themselves: {', '.join(helped)}"
    all_passed([autonomy.judge(watch, node) for node in edges(lab)])
    sandboxes.judge()


@pytest.mark.scenario("server rebooted")
@allure.title(
    "The workload keeps running while the server reboots, and buffered samples arrive afterwards"
)
def test_the_edge_outlives_a_reboot_of_the_server(
    lab: Lab, faults: FaultEngine, autonomy: Autonomy
) -> None:
    with (
        autonomy.watching() as watch,
        faults.inflict(Reboot(node=lab.topology.server.name)),
    ):
        pass  # healed when the control plane serves again
    all_passed([autonomy.judge(watch, node) for node in edges(lab)])
