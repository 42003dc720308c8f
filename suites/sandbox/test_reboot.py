"""Whether a pod is still in its sandbox after its node booted without the cloud."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.addons.hostile.pods import facts_pod
from edge_lab.addons.hostile.settings import Setting
from edge_lab.cluster.kubectl import KubectlError
from edge_lab.faults.engine import FaultEngine
from edge_lab.faults.kinds import Cut, Reboot
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.nodes import LabNode
from edge_lab.fixtures.outcomes import eventually
from edge_lab.fixtures.sandbox import HostilePods
from edge_lab.oracles.sandbox import SandboxClass
from suites.edges import is_ready, uplink
from suites.sandbox.runtimes import runtime_class

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [allure.parent_suite("Sandbox"), allure.feature("Reboot while offline")]

BACK_SECONDS = 150.0
"""From the heal until the API server holds the node for Ready."""


@pytest.mark.scenario("a sandboxed pod after a reboot while offline")
@pytest.mark.needs("offline-reboot")
@allure.title("On {edge_node}, a sandboxed pod is sandboxed again after a reboot while offline")
def test_a_pod_is_sandboxed_after_a_reboot_while_offline(
    lab: Lab,
    edge_node: LabNode,
    faults: FaultEngine,
    hostile_pods: HostilePods,
    time_limit: TimeLimit,
) -> None:
    name, setting = edge_node.name, Setting.GVISOR_DEFAULT
    asked = runtime_class(lab, name, setting)
    pod = facts_pod(name, setting, asked, name=f"facts-reboot-{name}", restarts=True)

    with hostile_pods.applied(pod) as uid:
        before = hostile_pods.facts(pod, uid)
        with faults.inflict(Cut(link=uplink(lab, name))):
            with faults.inflict(Reboot(node=name)):
                pass  # healed when it is up again
            after = hostile_pods.facts(pod, uid, but=before)
            verdict = hostile_pods.judge_running(pod, uid, after)
        eventually(
            f"{name} is Ready",
            partial(is_ready, lab, name, time_limit),
            time_limit(BACK_SECONDS),
            transient=(KubectlError,),
        )
    hostile_pods.record(verdict)
    assert verdict.of_class is SandboxClass.SANDBOXED, str(verdict)
