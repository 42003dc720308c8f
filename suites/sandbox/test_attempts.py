"""What hostile pods reach: each attempt in each setting, beside what is declared of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.addons.hostile.pods import HostilePod, attempts_pod
from edge_lab.addons.hostile.settings import CONTAINER_SETTINGS, Setting
from edge_lab.fixtures.nodes import LabNode
from edge_lab.fixtures.sandbox import HostilePods
from edge_lab.oracles.sandbox.table import KERNEL, kernel_rows
from suites.sandbox.runtimes import runtime_class

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [allure.parent_suite("Sandbox"), allure.feature("Attempts")]

PTRACE_SCOPE = "/proc/sys/kernel/yama/ptrace_scope"
EACH = ("--seconds", "60")
"""For one attempt, in an emulated guest."""


def pod_of(lab: Lab, node: str, setting: Setting) -> HostilePod:
    """The pod that tries all at its kernel."""
    return attempts_pod(node, setting, runtime_class(lab, node, setting), options=EACH)


@pytest.mark.scenario("hostile attempts at the kernel")
@pytest.mark.parametrize("setting", CONTAINER_SETTINGS, ids=str)
@allure.title("On {edge_node}, a pod with {setting} reaches what is declared, and nothing else")
def test_a_hostile_pod_reaches_what_is_declared(
    lab: Lab, edge_node: LabNode, setting: Setting, hostile_pods: HostilePods
) -> None:
    # Asked before the pod: a node without Yama lets trace as one with 0 does.
    scope = edge_node.output(f"cat {PTRACE_SCOPE} 2>/dev/null || echo 0")
    run = hostile_pods.attempts(pod_of(lab, edge_node.name, setting))
    declared = kernel_rows(int(scope))
    verdict = hostile_pods.judge_attempts(edge_node.name, setting, run, declared)
    assert verdict.passed, str(verdict)


@allure.title("The attempts are able to succeed: {setting}")
@pytest.mark.parametrize("setting", [Setting.RUNC_PRIVILEGED, Setting.GVISOR_PRIVILEGED], ids=str)
def test_attempts_succeed_where_nothing_stops_them(
    lab: Lab, edge_node: LabNode, setting: Setting, hostile_pods: HostilePods
) -> None:
    """The control: an attempt that can never succeed proves nothing where it fails."""
    wanted = {
        name
        for name, row in KERNEL.items()
        if all(expectation.reached for expectation in row.expects[setting])
    }
    asked = runtime_class(lab, edge_node.name, setting)
    pod = attempts_pod(
        edge_node.name, setting, asked, options=(*EACH, *sorted(wanted)), what="controls"
    )
    run = hostile_pods.attempts(pod)
    reached = {record.attempt for record in run.records if record.reached}
    assert run.complete
    assert wanted - reached == set(), [str(record.shown) for record in run.records]
