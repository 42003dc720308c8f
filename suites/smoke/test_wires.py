"""A link can be cut and healed, both with proof, and samples wait on the node meanwhile."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import allure

from edge_lab.addons.workload.manifests import sampling_nodes
from edge_lab.cluster.kubectl import KubectlError
from edge_lab.fabric import CLEAR, CUT
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.nodes import LabNode
from edge_lab.fixtures.outcomes import eventually
from edge_lab.fixtures.wires import Wires
from edge_lab.fixtures.workload import Workload
from edge_lab.oracles.samples import judge_samples
from edge_lab.topology import Device
from suites.edges import is_ready

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [allure.parent_suite("Smoke"), allure.feature("Links")]

WAITING = 8
"""Samples that must wait on a node that is cut off: more than are ever in transit."""

AT_REST = 2
"""Samples per device that may be in transit without a fault."""

DRAIN_SECONDS = 240.0


@allure.story("Uplink")
@allure.title(
    "Samples are buffered while the uplink of {edge_node} is cut, and arrive after the heal"
)
def test_samples_wait_while_the_uplink_is_cut_and_arrive_afterwards(
    lab: Lab, edge_node: LabNode, wires: Wires, workload: Workload, time_limit: TimeLimit
) -> None:
    workload.must_sample(edge_node.spec)
    link = lab.topology.cluster_link(edge_node.name).name
    devices = workload.devices_of(edge_node.spec)

    def most_waiting() -> int:
        counts = workload.counts(edge_node.name)
        return max((count.waiting for count in counts.values()), default=0)

    with wires.cut(link):
        state = lab.fabric.link(link)
        assert (state.tx, state.rx) == (CUT, CUT)
        # The management path is not affected by the fault.
        assert edge_node.output("echo alive") == "alive"
        before = {name: counts.sampled for name, counts in workload.counts(edge_node.name).items()}
        eventually(
            f"{WAITING} samples wait on {edge_node.name}",
            lambda: most_waiting() >= WAITING,
            time_limit(DRAIN_SECONDS),
        )
        after = {name: counts.sampled for name, counts in workload.counts(edge_node.name).items()}
        assert all(after[name] > before[name] for name in devices), (
            "the sampler has taken no samples"
        )
    state = lab.fabric.link(link)
    assert (state.tx, state.rx) == (CLEAR, CLEAR)
    eventually(
        f"the samples of {edge_node.name} have arrived",
        lambda: most_waiting() <= AT_REST,
        time_limit(DRAIN_SECONDS),
    )
    for device in devices:
        observation = eventually(
            "the collector answers",
            partial(workload.observe, edge_node.name, device),
            time_limit(DRAIN_SECONDS),
            transient=(KubectlError,),
        )
        verdict = judge_samples(observation)
        allure.attach(str(verdict), f"verdict on {device}", allure.attachment_type.TEXT)
        assert verdict.passed, str(verdict)


@allure.story("Uplink")
@allure.title("{edge_node} is Ready again after its uplink was cut")
def test_a_node_is_ready_again_after_its_uplink_was_cut(
    lab: Lab, edge_node: LabNode, wires: Wires, time_limit: TimeLimit
) -> None:
    with wires.cut(lab.topology.cluster_link(edge_node.name).name):
        assert edge_node.output("echo alive") == "alive"
    eventually(
        f"{edge_node.name} is Ready",
        lambda: is_ready(lab, edge_node.name, time_limit),
        time_limit(DRAIN_SECONDS),
        transient=(KubectlError,),
    )


@allure.story("Uplink")
@allure.title("A delay on the uplink of {edge_node} is measured, and gone after the heal")
def test_a_delay_on_the_uplink_is_felt_and_goes_away(
    lab: Lab, edge_node: LabNode, wires: Wires
) -> None:
    link = lab.topology.cluster_link(edge_node.name).name
    with wires.impair(link, delay_ms=400):
        assert lab.fabric.link(link).tx.delay_ms == 400
    assert lab.fabric.link(link).tx == CLEAR


@allure.story("Link of a device")
@allure.title(
    "Samplers detect that the link of {modbus_device} is cut, and read again after the heal"
)
def test_a_sampler_notices_a_dead_device_wire_and_its_return(
    lab: Lab, modbus_device: Device, wires: Wires, workload: Workload, time_limit: TimeLimit
) -> None:
    (link,) = lab.topology.links_of(modbus_device.name)
    nodes = [
        node.name
        for node in sampling_nodes(lab.topology)
        if modbus_device.name in workload.devices_of(node)
    ]

    def disconnected(node: str) -> bool:
        return not workload.counts(node)[modbus_device.name].connected

    def sampled_since(node: str, number: int) -> bool:
        return workload.counts(node)[modbus_device.name].sampled > number

    with wires.drop(link.name):
        for node in nodes:
            eventually(
                f"{node} has lost {modbus_device}",
                partial(disconnected, node),
                time_limit(DRAIN_SECONDS),
            )
    for node in nodes:
        lost_at = workload.counts(node)[modbus_device.name].sampled
        eventually(
            f"{node} samples {modbus_device} again",
            partial(sampled_since, node, lost_at),
            time_limit(DRAIN_SECONDS),
        )
