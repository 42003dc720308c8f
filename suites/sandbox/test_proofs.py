"""Whether a pod that asks for a sandbox is in one, and whether the proofs can fail."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.addons.gvisor.names import GVISOR
from edge_lab.addons.hostile.pods import facts_pod
from edge_lab.addons.hostile.settings import RUNTIME_CLASS, Setting
from edge_lab.addons.workload import NAMESPACE
from edge_lab.cluster.kubectl import KubectlError
from edge_lab.core.errors import MissingCapability
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.nodes import LabNode
from edge_lab.fixtures.outcomes import eventually
from edge_lab.fixtures.sandbox import HostilePods
from edge_lab.oracles.sandbox import SandboxClass
from edge_lab.oracles.sandbox.proofs import NEEDS_A_SANDBOX, PROOFS, Outcome
from suites.sandbox.runtimes import (
    HOSTILE,
    is_always_sandboxed,
    need_addon,
    need_gvisor,
    need_sandboxes,
    resolves_runtime_class,
    runtime_class,
    sandboxes,
)

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [allure.parent_suite("Sandbox"), allure.feature("Proofs")]

LEAST_FAILED = 10
"""Proofs that a pod under runc must fail; with all capabilities too. There are a few more."""
EVENT_SECONDS = 180.0


@pytest.mark.scenario("a sandboxed pod")
@pytest.mark.parametrize("setting", [Setting.GVISOR_DEFAULT, Setting.GVISOR_PRIVILEGED], ids=str)
@allure.title("On {edge_node}, a pod with {setting} is sandboxed by gVisor: all proofs hold")
def test_a_pod_that_asks_for_a_sandbox_is_in_one(
    lab: Lab, edge_node: LabNode, setting: Setting, hostile_pods: HostilePods
) -> None:
    asked = runtime_class(lab, edge_node.name, setting)
    verdict = hostile_pods.judge_pod(facts_pod(edge_node.name, setting, asked))
    hostile_pods.record(verdict)
    assert verdict.of_class is SandboxClass.SANDBOXED, str(verdict)


# -- negative controls: the proofs are able to fail -------------------------------------------


@pytest.mark.parametrize("setting", [Setting.RUNC_DEFAULT, Setting.RUNC_PRIVILEGED], ids=str)
@allure.title("On {edge_node}, a pod with {setting} fails the proofs of a sandbox (control)")
def test_a_pod_under_runc_fails_the_proofs(
    lab: Lab, edge_node: LabNode, setting: Setting, hostile_pods: HostilePods
) -> None:
    asked = runtime_class(lab, edge_node.name, setting)
    verdict = hostile_pods.judge_pod(facts_pod(edge_node.name, setting, asked))
    failed = verdict.of_outcome(Outcome.FAILS)
    assert verdict.of_class is SandboxClass.NOT_SANDBOXED, str(verdict)
    assert len(failed) >= LEAST_FAILED, str(verdict)
    assert failed | verdict.of_outcome(Outcome.NO_EVIDENCE) == frozenset(PROOFS), str(verdict)
    assert verdict.of_outcome(Outcome.NO_EVIDENCE) <= NEEDS_A_SANDBOX, str(verdict)


@pytest.mark.needs("runtime-class")
@allure.title("On {edge_node}, a pod that silently fell back to runc is detected (control)")
def test_a_silent_fallback_to_runc_is_detected(
    lab: Lab, edge_node: LabNode, hostile_pods: HostilePods
) -> None:
    need_sandboxes(lab, edge_node.name)
    if is_always_sandboxed(lab, edge_node.name):
        raise MissingCapability(f"every pod of {edge_node} is sandboxed: none can fall back")
    # As it would be if the runtime class had been lost on the way: judged like a sandboxed one.
    pod = facts_pod(
        edge_node.name, Setting.GVISOR_DEFAULT, None, name=f"facts-fallback-{edge_node.name}"
    )
    verdict = hostile_pods.judge_pod(pod)
    assert verdict.of_class is SandboxClass.NOT_SANDBOXED, str(verdict)
    assert not verdict.passed
    assert {"sandbox processes", "program of the pod"} <= verdict.of_outcome(Outcome.FAILS)


# -- where there is no gVisor -----------------------------------------------------------------


@allure.title("On {edge_node}, which has no gVisor, a pod that requests it does not start")
def test_a_pod_does_not_start_where_there_is_no_gvisor(
    lab: Lab, edge_node: LabNode, hostile_pods: HostilePods, time_limit: TimeLimit
) -> None:
    need_addon(lab, HOSTILE)
    need_gvisor(lab)
    if sandboxes(lab, edge_node.name):
        raise MissingCapability(f"{edge_node} has {GVISOR!r}")
    if not resolves_runtime_class(lab):
        raise MissingCapability(f"{lab.stack_name} starts pods regardless of their RuntimeClass")
    pod = facts_pod(edge_node.name, Setting.GVISOR_DEFAULT, RUNTIME_CLASS)
    with hostile_pods.applied(pod) as uid:

        def refused() -> str | None:
            events = lab.kubectl.items(
                "events",
                *("-n", NAMESPACE, f"--field-selector=involvedObject.uid={uid}"),
                deadline=time_limit(60),
            )
            return next((reason for reason in map(reason_of, events) if reason), None)

        reason = eventually(
            f"an event gives the reason why {pod.name} does not start",
            refused,
            time_limit(EVENT_SECONDS),
            every=2.0,
            transient=(KubectlError,),
        )
        allure.attach(reason, "event", allure.attachment_type.TEXT)
        assert hostile_pods.log(pod, uid) == ""
        view = hostile_pods.outside(pod, uid)
        assert view.programs == (), view


def reason_of(event: dict[str, object]) -> str:
    """What an event says if it is a refusal for want of the runtime: by the container runtime, that
    has no such handler, or by the kubelet, since the RuntimeClass names other nodes."""
    reason, message = str(event.get("reason", "")), str(event.get("message", ""))
    by_runtime = reason == "FailedCreatePodSandBox" and "runsc" in message
    by_kubelet = reason == "NodeAffinity" or "NodeAffinity" in message
    return json.dumps([reason, message]) if by_runtime or by_kubelet else ""
