"""Each node is Ready and matches the topology: architecture, memory, runtime, names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import allure
import pytest

from edge_lab.cluster.kubectl import KubectlError
from edge_lab.cluster.objects import node_ready
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.nodes import LabNode
from edge_lab.fixtures.outcomes import eventually
from edge_lab.machines.workingset import MIN_TTL_MS
from edge_lab.provisioning.cri import cri_of

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [allure.parent_suite("Smoke"), allure.feature("Nodes")]

LEAST_SHARE = 0.85
"""Minimum share of a node's memory that the kernel must leave; it reserves the rest."""

READY_SECONDS = 120.0


def node_object(lab: Lab, node: LabNode, time_limit: TimeLimit) -> dict[str, Any]:
    return lab.kubectl.get_json("node", node.name, deadline=time_limit(60))


@allure.story("Ready")
@allure.title("{node} is Ready")
def test_each_node_is_ready(lab: Lab, node: LabNode, time_limit: TimeLimit) -> None:
    eventually(
        f"{node.name} is Ready",
        lambda: node_ready(node_object(lab, node, time_limit)),
        time_limit(READY_SECONDS),
        transient=(KubectlError,),
    )


@allure.story("Architecture")
@allure.title("{node} runs the architecture that the topology gives it")
def test_each_node_has_its_architecture_inside_and_in_the_cluster(
    lab: Lab, node: LabNode, node_host: Any, time_limit: TimeLimit
) -> None:
    assert node_host.check_output("uname -m") == node.spec.arch.value
    info = node_object(lab, node, time_limit)["status"]["nodeInfo"]
    assert info["architecture"] == node.spec.arch.go
    assert info["operatingSystem"] == "linux"


@allure.story("Memory")
@allure.title("{node} has the memory that the topology gives it")
def test_each_node_has_the_memory_of_the_topology_and_no_more(
    lab: Lab, node: LabNode, node_host: Any, time_limit: TimeLimit
) -> None:
    (line,) = (
        line
        for line in node_host.file("/proc/meminfo").content_string.splitlines()
        if line.startswith("MemTotal:")
    )
    total_mib = int(line.split()[1]) / 1024
    assert LEAST_SHARE * node.spec.memory < total_mib <= node.spec.memory
    capacity = node_object(lab, node, time_limit)["status"]["capacity"]["memory"]
    assert capacity.endswith("Ki")
    assert int(capacity.removesuffix("Ki")) / 1024 == pytest.approx(total_mib, rel=0.01)


@allure.story("Memory")
@allure.title(
    "The kernel of {node} keeps the working set in memory, and kills processes rather than evict it"
)
def test_each_node_keeps_its_working_set(node: LabNode, node_host: Any) -> None:
    # systemd-tmpfiles has written it, and the kernel has taken it.
    assert int(node_host.file("/sys/kernel/mm/lru_gen/min_ttl_ms").content_string) == MIN_TTL_MS


@allure.story("Runtime")
@allure.title("The units of the stack run on {node}")
def test_the_units_of_the_stack_run_on_each_node(lab: Lab, node: LabNode, node_host: Any) -> None:
    units = lab.platform.units(lab.topology)[node.name]
    assert units, f"{lab.stack_name} names no unit for {node.name}: there is nothing to look at"
    down = [unit for unit in units if not node_host.service(unit).is_running]
    assert down == []
    # The same check must be able to fail.
    assert not node_host.service("edge-lab-no-such-unit").is_running


@allure.story("Runtime")
@allure.title("{node} reports the container runtime that the topology gives it")
def test_each_node_reports_its_container_runtime(
    lab: Lab, node: LabNode, time_limit: TimeLimit
) -> None:
    info = node_object(lab, node, time_limit)["status"]["nodeInfo"]
    assert info["containerRuntimeVersion"].startswith(f"{cri_of(node.spec).name}://")


@allure.story("Names")
@allure.title("{node} resolves the names of all other nodes and devices")
def test_each_node_finds_the_others_by_name(lab: Lab, node: LabNode, node_host: Any) -> None:
    topology = lab.topology
    addresses = {
        other.name: str(topology.cluster_link(other.name).address)
        for other in topology.nodes
        if other.name != node.name
    } | {device.name: str(topology.links_of(device.name)[0].address) for device in topology.devices}
    for name, address in addresses.items():
        assert node_host.check_output(f"getent ahostsv4 {name}").split()[0] == address
    assert node_host.run("getent ahostsv4 nobody.edge-lab").rc != 0


@allure.story("Names")
@allure.title("{edge_node} reaches the server by name")
def test_each_edge_node_reaches_the_server_by_name(lab: Lab, edge_node: LabNode) -> None:
    assert edge_node.succeeds(f"ping -c 3 -W 5 {lab.topology.server.name}")
