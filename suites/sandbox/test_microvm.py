"""A QEMU microVM as a pod's process: whether it is one, what is reached in it, and what it costs.

It is QEMU of the node's Debian with `-accel kvm`, in a pod under runc: no Kata, no Firecracker.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.addons.hostile.pods import attempts_pod, facts_pod
from edge_lab.addons.hostile.settings import Setting
from edge_lab.addons.microvm.kvm import PROBE_COMMAND, parse_kvm_report
from edge_lab.addons.microvm.pods import microvm_attempts_pod, microvm_facts_pod
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.nodes import LabNode
from edge_lab.fixtures.outcomes import eventually
from edge_lab.fixtures.sandbox import HostilePods
from edge_lab.oracles.sandbox.microvm import QEMU, MicrovmClass
from edge_lab.oracles.sandbox.microvmcost import cost_verdict
from edge_lab.oracles.sandbox.microvmtable import MICROVM_ROWS
from edge_lab.oracles.sandbox.proofs import Outcome
from edge_lab.oracles.sandbox.table import kernel_rows
from suites.sandbox.microvmrun import ATTEMPTS_SECONDS, FACTS_SECONDS, cost_of, judged
from suites.sandbox.runtimes import runtime_class
from suites.sandbox.sharedpods import PTRACE_SCOPE

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [allure.parent_suite("Sandbox"), allure.feature("MicroVMs")]

EACH = ("--seconds", "120")
"""For one attempt, in a machine in an emulated machine."""
QEMU_SECONDS = 300.0
SETTINGS = (Setting.RUNC_DEFAULT, Setting.GVISOR_DEFAULT, Setting.MICROVM)


@pytest.mark.needs("kvm")
@allure.title("On {edge_node}, KVM can run a machine, and has all that Firecracker requires")
def test_kvm_works_on_the_node(edge_node: LabNode) -> None:
    report = parse_kvm_report(edge_node.output(PROBE_COMMAND))
    allure.attach(report.model_dump_json(indent=1), "KVM", allure.attachment_type.JSON)
    assert report.works, str(report)
    assert not report.lacking, str(report)


@pytest.mark.needs("kvm")
@allure.title("On {edge_node}, the KVM probe fails without KVM (control)")
def test_the_probe_is_able_to_say_no(edge_node: LabNode) -> None:
    """The control."""
    command = f"{PROBE_COMMAND} --device /dev/null || true"
    assert not parse_kvm_report(edge_node.output(command)).works
    assert not edge_node.succeeds(f"{PROBE_COMMAND} --device /dev/null")


@pytest.mark.needs("microvm")
@pytest.mark.scenario("a microVM")
@allure.title("On {edge_node}, a pod is a QEMU microVM on KVM: all proofs hold")
def test_a_pod_is_a_microvm_on_kvm(lab: Lab, edge_node: LabNode, hostile_pods: HostilePods) -> None:
    pod = microvm_facts_pod(edge_node.spec)
    with hostile_pods.applied(pod) as uid:
        facts = hostile_pods.facts(pod, uid, seconds=FACTS_SECONDS)
        verdict = judged(lab, hostile_pods, pod, uid, facts)
    hostile_pods.record(verdict)
    assert verdict.of_class is MicrovmClass.MICROVM, str(verdict)


# -- negative controls: the proofs are able to fail -------------------------------------------


@pytest.mark.needs("microvm")
@allure.title("On {edge_node}, a microVM that QEMU emulates is detected (control)")
def test_an_emulated_microvm_is_detected(
    lab: Lab, edge_node: LabNode, hostile_pods: HostilePods, time_limit: TimeLimit
) -> None:
    pod = microvm_facts_pod(edge_node.spec, what="emulated", accelerator="tcg")
    with hostile_pods.applied(pod) as uid:
        # It need not boot, which would take very long: what is wrong shows from outside.
        eventually(
            f"{pod.name} runs QEMU",
            lambda: any(
                process.name.startswith(QEMU)
                for process in hostile_pods.outside(pod, uid).processes
            ),
            time_limit(QEMU_SECONDS),
            every=3.0,
        )
        verdict = judged(lab, hostile_pods, pod, uid, None)
    assert verdict.of_class is MicrovmClass.NO_MICROVM, str(verdict)
    assert verdict.of_outcome(Outcome.FAILS) == {"machine of KVM", "accelerator"}, str(verdict)


@pytest.mark.needs("microvm")
@allure.title("On {edge_node}, a pod on the node's own kernel is not taken for a microVM (control)")
def test_a_pod_on_the_nodes_kernel_is_detected(
    lab: Lab, edge_node: LabNode, hostile_pods: HostilePods
) -> None:
    asked = runtime_class(lab, edge_node.name, Setting.RUNC_DEFAULT)
    pod = facts_pod(
        edge_node.name, Setting.RUNC_DEFAULT, asked, name=f"facts-no-microvm-{edge_node.name}"
    )
    with hostile_pods.applied(pod) as uid:
        verdict = judged(lab, hostile_pods, pod, uid, hostile_pods.facts(pod, uid))
    assert verdict.of_class is MicrovmClass.NO_MICROVM, str(verdict)
    assert verdict.of_outcome(Outcome.FAILS) >= {
        "own command line",
        "root in memory",
        "another boot",
        "QEMU process",
        "program of the pod",
    }, str(verdict)


# -- what is reached, and what it costs -------------------------------------------------------


@pytest.mark.needs("microvm")
@pytest.mark.scenario("hostile attempts in a microVM, compared with runc and gVisor")
@pytest.mark.parametrize("setting", SETTINGS, ids=str)
@allure.title("On {edge_node}, a pod with {setting} reaches what is declared, and nothing else")
def test_what_is_reached_is_what_is_declared(
    lab: Lab, edge_node: LabNode, setting: Setting, hostile_pods: HostilePods
) -> None:
    if setting is Setting.MICROVM:
        pod = microvm_attempts_pod(edge_node.spec, EACH)
        run = hostile_pods.attempts(pod, seconds=ATTEMPTS_SECONDS)
        declared = MICROVM_ROWS
    else:
        scope = edge_node.output(f"cat {PTRACE_SCOPE} 2>/dev/null || echo 0")
        asked = runtime_class(lab, edge_node.name, setting)
        what = attempts_pod(edge_node.name, setting, asked, options=EACH, what="beside")
        run = hostile_pods.attempts(what, seconds=ATTEMPTS_SECONDS)
        declared = kernel_rows(int(scope))
    verdict = hostile_pods.judge_attempts(edge_node.name, setting, run, declared)
    assert verdict.passed, str(verdict)


@pytest.mark.needs("microvm")
@pytest.mark.scenario("cost of a microVM: start and memory")
@allure.title("On {edge_node}, start time and memory of a microVM compared with a pod under runc")
def test_start_and_memory_beside_runc(
    lab: Lab, edge_node: LabNode, hostile_pods: HostilePods, time_limit: TimeLimit
) -> None:
    """Measured, and not judged."""
    asked = runtime_class(lab, edge_node.name, Setting.RUNC_DEFAULT)
    name = f"facts-beside-{edge_node.name}"
    plain = facts_pod(edge_node.name, Setting.RUNC_DEFAULT, asked, name=name)
    runc = cost_of(lab, hostile_pods, plain, time_limit)
    microvm = cost_of(lab, hostile_pods, microvm_facts_pod(edge_node.spec), time_limit)
    hostile_pods.record(cost_verdict(edge_node.name, lab.stack_name, microvm, runc))
