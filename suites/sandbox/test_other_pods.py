"""What hostile pods reach of other pods of their node: their addresses, processes and tokens, and
of the credentials of the node.

Whether a spoofed address deceived the node is judged by what the node shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import allure
import pytest

from edge_lab.addons.hostile.pods import MOUNT, HostFolder, HostilePod, attempts_pod
from edge_lab.addons.hostile.settings import CONTAINER_SETTINGS, Setting
from edge_lab.addons.workload import NAMESPACE
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.nodes import LabNode
from edge_lab.fixtures.sandbox import HostilePods
from edge_lab.oracles.sandbox.attempts import Finding
from edge_lab.oracles.sandbox.expected import Row
from edge_lab.oracles.sandbox.otherpods import (
    CREDENTIALS,
    NEEDS_THE_KUBELETS_FOLDER,
    NEEDS_TO_REQUEST,
    NEIGHBOUR,
    NODE_KEY,
    POD_NETWORK,
    host_pid_rows,
)
from edge_lab.oracles.sandbox.records import NO_EFFECT
from edge_lab.oracles.sandbox.spoofing import confirmed, unreported
from suites.sandbox.neighbourpod import ACCOUNT, Watch, neighbour, watched
from suites.sandbox.nodekey import KUBELET_FOLDER, mounted, node_key, two_secrets
from suites.sandbox.runtimes import runtime_class
from suites.sandbox.sharedpods import EACH, PTRACE_SCOPE
from suites.sandbox.targets import account_that_requests_tokens, api_options

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab
    from edge_lab.oracles.sandbox import AttemptRun

pytestmark = [allure.parent_suite("Sandbox"), allure.feature("Attempts at other pods")]

REQUEST = ("--request-token", f"{NAMESPACE}/{ACCOUNT}")


def pod_of(
    lab: Lab,
    node: str,
    setting: Setting,
    what: str,
    options: Sequence[str],
    names: Sequence[str] | Mapping[str, Row],
    **more: Any,
) -> HostilePod:
    """A pod that makes the attempts of these names."""
    asked = runtime_class(lab, node, setting)
    return attempts_pod(node, setting, asked, options=(*EACH, *options, *names), what=what, **more)


def spoofed(pods: HostilePods, pod: HostilePod, watch: Watch) -> AttemptRun:
    """All attempts of the pod; those at the pod network count as far as the node shows them."""
    run = pods.attempts(pod, beside=partial(watch.look, pods, pod))
    allure.attach(repr(watch.evidence), "what the node showed", allure.attachment_type.TEXT)
    assert unreported(run, watch.evidence) == ()
    return confirmed(run, watch.evidence)


@pytest.mark.scenario("hostile attempts at other pods")
@pytest.mark.parametrize("setting", CONTAINER_SETTINGS, ids=str)
@allure.title("On {edge_node}, a pod with {setting} reaches other pods as declared")
def test_another_pod_of_the_node(
    lab: Lab,
    edge_node: LabNode,
    setting: Setting,
    hostile_pods: HostilePods,
    time_limit: TimeLimit,
) -> None:
    runtime_class(lab, edge_node.name, setting)  # before anything is made
    key = node_key(lab, edge_node.name)
    declared = {**POD_NETWORK, **NEIGHBOUR, **CREDENTIALS}
    with (
        neighbour(lab, hostile_pods, edge_node, time_limit) as other,
        watched(lab, edge_node, other, time_limit) as watch,
    ):
        options = (
            *watch.options(),
            *other.process_options("neighbour"),
            *other.folder_options(KUBELET_FOLDER),
            *("--node-key", key),
            *api_options(lab),
            *REQUEST,
        )
        pod = pod_of(lab, edge_node.name, setting, "others", options, declared, token=True)
        run = spoofed(hostile_pods, pod, watch)
    verdict = hostile_pods.judge_attempts(edge_node.name, setting, run, declared)
    assert verdict.passed, str(verdict)


@pytest.mark.scenario("hostile attempts with hostPID")
@pytest.mark.parametrize("setting", CONTAINER_SETTINGS, ids=str)
@allure.title("On {edge_node}, hostPID gives a pod with {setting} other pods' processes, or not")
def test_another_pod_with_host_pid(
    lab: Lab,
    edge_node: LabNode,
    setting: Setting,
    hostile_pods: HostilePods,
    time_limit: TimeLimit,
) -> None:
    """Also the control of the same attempts without hostPID."""
    runtime_class(lab, edge_node.name, setting)  # before anything is made
    scope = edge_node.output(f"cat {PTRACE_SCOPE} 2>/dev/null || echo 0")
    declared = host_pid_rows(int(scope))
    with neighbour(lab, hostile_pods, edge_node, time_limit) as other:
        options = other.process_options("host-pid")
        pod = pod_of(lab, edge_node.name, setting, "otherspid", options, declared, host_pid=True)
        run = hostile_pods.attempts(pod)
    verdict = hostile_pods.judge_attempts(edge_node.name, setting, run, declared)
    assert verdict.passed, str(verdict)


# -- controls: the attempts are able to succeed, and to have no effect ---------------------------


@pytest.mark.parametrize("setting", [Setting.RUNC_DEFAULT, Setting.GVISOR_DEFAULT], ids=str)
@allure.title("On {edge_node}, a pod with {setting} and the kubelet's folder gets its credentials")
def test_the_kubelets_folder(
    lab: Lab,
    edge_node: LabNode,
    setting: Setting,
    hostile_pods: HostilePods,
    time_limit: TimeLimit,
) -> None:
    """The control of attempts at credentials. The node's key opens what is the node's, and no
    more."""
    runtime_class(lab, edge_node.name, setting)  # before anything is made
    key = mounted(node_key(lab, edge_node.name))
    wanted = (*NEEDS_THE_KUBELETS_FOLDER, *NEEDS_TO_REQUEST)
    with (
        two_secrets(lab, hostile_pods, edge_node.name, time_limit) as secrets,
        neighbour(lab, hostile_pods, edge_node, time_limit, secrets.own) as other,
        account_that_requests_tokens(lab, time_limit) as account,
    ):
        options = (
            *other.folder_options(MOUNT),
            *("--node-key", key),
            *secrets.options(),
            *api_options(lab),
            *REQUEST,
        )
        pod = pod_of(
            lab,
            edge_node.name,
            setting,
            "kubelet",
            options,
            (*wanted, *NODE_KEY),
            token=True,
            service_account=account,
            host_folders=(HostFolder(KUBELET_FOLDER),),
        )
        run = hostile_pods.attempts(pod)
    assert run.complete
    controls = [record for record in run.records if record.attempt in wanted]
    missed = [f"{record.attempt}: {record.shown}" for record in controls if not record.reached]
    assert ({record.attempt for record in controls}, missed) == (set(wanted), [])
    with_the_key = tuple(record for record in run.records if record.attempt in NODE_KEY)
    verdict = hostile_pods.judge_attempts(
        edge_node.name, setting, run.model_copy(update={"records": with_the_key}), NODE_KEY
    )
    assert verdict.passed, str(verdict)


@allure.title("On {edge_node}, a spoofed address that the node does not accept fails (control)")
def test_a_node_that_is_not_deceived(
    lab: Lab, edge_node: LabNode, hostile_pods: HostilePods, time_limit: TimeLimit
) -> None:
    """The control of the evidence: the pod sends the same and reports success, and the verdict is
    red. The node has a permanent entry for the neighbour, and drops the datagrams."""
    from edge_lab.oracles.sandbox import judge_attempts

    setting = Setting.RUNC_DEFAULT
    runtime_class(lab, edge_node.name, setting)  # before anything is made
    with (
        neighbour(lab, hostile_pods, edge_node, time_limit) as other,
        watched(lab, edge_node, other, time_limit, defended=True) as watch,
    ):
        pod = pod_of(lab, edge_node.name, setting, "undeceived", watch.options(), POD_NETWORK)
        run = spoofed(hostile_pods, pod, watch)
    assert [record.refusal for record in run.records] == [NO_EFFECT, NO_EFFECT]
    verdict = judge_attempts(edge_node.name, lab.stack_name, setting, run, POD_NETWORK)
    assert {judgement.finding for judgement in verdict.judged} == {Finding.REFUSED}
