"""Pods run on every node, support logs and exec, and reach each other across nodes."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any

import allure
import pytest

from edge_lab.addons.workload import NAMESPACE
from edge_lab.addons.workload.manifests import SAMPLER_PORT, sampler_pod, sampling_nodes
from edge_lab.cluster.kubectl import ExecResult, KubectlError
from edge_lab.cluster.objects import pod_ready
from edge_lab.core.errors import MissingCapability
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.nodes import LabNode
from edge_lab.fixtures.outcomes import eventually
from edge_lab.fixtures.workload import Workload

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [allure.parent_suite("Smoke"), allure.feature("Pods")]

ANSWER_SECONDS = 120.0


def pods_on(lab: Lab, node: str, time_limit: TimeLimit) -> list[dict[str, Any]]:
    return lab.kubectl.items(
        "pods",
        "-n",
        NAMESPACE,
        f"--field-selector=spec.nodeName={node}",
        deadline=time_limit(60),
    )


@allure.story("The workload")
@allure.title("The lab's workload runs on {node}")
def test_the_workload_runs_on_each_node(lab: Lab, node: LabNode, time_limit: TimeLimit) -> None:
    expected = {pod["metadata"]["name"] for pod in pods_on(lab, node.name, time_limit)} & set(
        lab.workload.pods
    )
    if node.spec != lab.topology.server and node.spec not in sampling_nodes(lab.topology):
        raise MissingCapability(f"{node.name} has no device within reach, so no sampler")
    assert expected, f"no pod of the workload is bound to {node.name}"
    eventually(
        f"{', '.join(sorted(expected))} Ready",
        lambda: all(
            pod_ready(pod)
            for pod in pods_on(lab, node.name, time_limit)
            if pod["metadata"]["name"] in expected
        ),
        time_limit(ANSWER_SECONDS),
        transient=(KubectlError,),
    )


@allure.story("Scheduling")
@allure.title("A pod that is scheduled to {node} runs there")
def test_a_scheduled_pod_runs_on_each_node(
    lab: Lab, node: LabNode, smoke_pods: dict[str, str], time_limit: TimeLimit
) -> None:
    pod = lab.kubectl.get_json(
        "pod", smoke_pods[node.name], "-n", NAMESPACE, deadline=time_limit(60)
    )
    assert pod["spec"]["nodeName"] == node.name
    assert pod["status"]["phase"] == "Running"
    assert IPv4Address(pod["status"]["podIP"]) in lab.topology.pod_cidr(node.name)


@pytest.mark.needs("exec")
@allure.story("Logs and exec")
@allure.title("kubectl logs shows the output of a pod on {node}")
def test_the_logs_of_a_pod_on_each_node_can_be_read(
    lab: Lab, node: LabNode, smoke_pods: dict[str, str], time_limit: TimeLimit
) -> None:
    text = eventually(
        "kubectl logs",
        lambda: lab.kubectl.logs(smoke_pods[node.name], time_limit(60), namespace=NAMESPACE),
        time_limit(ANSWER_SECONDS),
        transient=(KubectlError,),
    )
    assert text == f"smoke on {node.spec.arch.value}\n"


@pytest.mark.needs("exec")
@allure.story("Logs and exec")
@allure.title("kubectl exec runs a command in a pod on {node}")
def test_a_command_runs_in_a_pod_on_each_node(
    lab: Lab, node: LabNode, smoke_pods: dict[str, str], time_limit: TimeLimit
) -> None:
    def run(*command: str) -> ExecResult:
        return eventually(
            "kubectl exec",
            lambda: lab.kubectl.exec(
                smoke_pods[node.name], command, time_limit(60), namespace=NAMESPACE, check=False
            ),
            time_limit(ANSWER_SECONDS),
            transient=(KubectlError,),
        )

    assert run("/bin/uname", "-m").stdout.strip() == node.spec.arch.value
    # The exit code is passed on, so a failing command is detected.
    assert run("/bin/sh", "-c", "exit 7").returncode == 7


@pytest.mark.needs("exec")
@allure.story("Pod network")
@allure.title("A pod on {node} reaches pods on the other nodes")
def test_a_pod_on_each_node_reaches_the_pods_of_the_others(
    lab: Lab,
    node: LabNode,
    smoke_pods: dict[str, str],
    workload: Workload,
    time_limit: TimeLimit,
) -> None:
    targets = {
        other.name: lab.kubectl.get_json(
            "pod", sampler_pod(other.name), "-n", NAMESPACE, deadline=time_limit(60)
        )["status"]["podIP"]
        for other in sampling_nodes(lab.topology)
        if other.name != node.name
    }
    if not targets:
        raise MissingCapability("no other node has a pod that listens")
    pod = smoke_pods[node.name]
    for other, address in targets.items():
        found = workload.probe(pod, "tcp", f"{address}:{SAMPLER_PORT}")
        assert found.ok, f"from {node.name} to {other}: {found.error}"
        # Without a listener, the same probe must fail.
        assert not workload.probe(pod, "tcp", f"{address}:9").ok
