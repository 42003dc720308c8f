"""Pods on edge nodes read the devices, and get the values that the devices have shown."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.addons.workload.identities import sampler_spec
from edge_lab.addons.workload.manifests import SAMPLER_FOLDER, sampler_pod
from edge_lab.cluster.kubectl import KubectlError
from edge_lab.devices import TruthStep
from edge_lab.devices.points import (
    MODBUS_PORT,
    OPCUA_PORT,
    SEQUENCE,
    SETPOINT_REGISTER,
    block_of,
    node_id,
    read_block,
)
from edge_lab.devices.protocols import plant_of
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.nodes import LabNode
from edge_lab.fixtures.outcomes import eventually
from edge_lab.fixtures.workload import ProbeResult, Workload
from edge_lab.pki import DEVICES, Authority, KeyKind
from edge_lab.provisioning.provision import GuestFile
from edge_lab.topology import Device

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [
    allure.parent_suite("Smoke"),
    allure.feature("Devices"),
    pytest.mark.arch("aarch64", "riscv64"),
    pytest.mark.needs("exec"),
]

READ_SECONDS = 120.0

FOREIGN = f"{SAMPLER_FOLDER}/foreign"
"""In the sampler's folder, which is mounted in its pod."""


def modbus(workload: Workload, lab: Lab, node: LabNode, device: Device, *words: int) -> ProbeResult:
    target = f"{lab.topology.links_of(device.name)[0].address}:{MODBUS_PORT}"
    return workload.probe(sampler_pod(node.name), "modbus", target, *map(str, words))


def opcua(
    workload: Workload, lab: Lab, node: LabNode, device: Device, *points: str, security: str = ""
) -> ProbeResult:
    """In one session: on an emulated node a handshake takes seconds."""
    url = f"opc.tcp://{lab.topology.links_of(device.name)[0].address}:{OPCUA_PORT}"
    plant = plant_of(device.protocol).name
    names = [node_id(plant, point) for point in points]
    more = ("--security", security) if security else ()
    return workload.probe(sampler_pod(node.name), "opcua", url, *names, *more)


@allure.story("Modbus TCP")
@allure.title("A pod on {edge_node} reads the registers of {modbus_device}")
def test_a_pod_reads_what_the_modbus_device_has_shown(
    lab: Lab,
    edge_node: LabNode,
    modbus_device: Device,
    workload: Workload,
    time_limit: TimeLimit,
) -> None:
    workload.must_sample(edge_node.spec)
    points = plant_of(modbus_device.protocol).points
    length = len(block_of(points, 0, dict.fromkeys((point.name for point in points), 0)))

    def read() -> ProbeResult | None:
        found = modbus(workload, lab, edge_node, modbus_device, 0, length)
        return found if found.ok else None

    found = eventually("a Modbus read", read, time_limit(READ_SECONDS), transient=(KubectlError,))
    seq, raw = read_block(points, found.registers)
    truth = {step.seq: step for step in lab.devices[modbus_device.name].steps()}
    assert seq in truth, f"the device has never shown step {seq}"
    assert raw == dict(truth[seq].values)


@allure.story("Modbus TCP")
@allure.title(
    "A pod on {edge_node} gets an exception for a register that {modbus_device} does not have"
)
def test_a_pod_gets_an_exception_for_a_register_that_is_not_there(
    lab: Lab, edge_node: LabNode, modbus_device: Device, workload: Workload
) -> None:
    workload.must_sample(edge_node.spec)
    beyond = modbus(workload, lab, edge_node, modbus_device, SETPOINT_REGISTER + 1, 1)
    assert not beyond.ok
    assert "illegal data address" in beyond.error.lower()
    # One that exists is read in the same way.
    assert modbus(workload, lab, edge_node, modbus_device, SETPOINT_REGISTER, 1).ok


@allure.story("OPC UA")
@allure.title("A pod on {edge_node} reads the values of {opcua_device}")
def test_a_pod_reads_what_the_opcua_device_has_shown(
    lab: Lab,
    edge_node: LabNode,
    opcua_device: Device,
    workload: Workload,
    time_limit: TimeLimit,
) -> None:
    workload.must_sample(edge_node.spec)
    points = (SEQUENCE, *(point.name for point in plant_of(opcua_device.protocol).points))

    def read() -> ProbeResult | None:
        found = opcua(workload, lab, edge_node, opcua_device, *points)
        return found if found.ok else None

    found = eventually("an OPC UA read", read, time_limit(READ_SECONDS), transient=(KubectlError,))
    steps = {step.time: step for step in lab.devices[opcua_device.name].steps()}
    for point, reading in zip(points, found.readings, strict=True):
        assert reading.timestamp in steps, f"the device has no value at {reading.timestamp}"
        assert reading.value == shown(steps[reading.timestamp], point)


def shown(step: TruthStep, point: str) -> int | float:
    return step.seq if point == SEQUENCE else step.values[point]


@allure.story("OPC UA")
@allure.title("{opcua_device} refuses a foreign certificate, from {edge_node}")
def test_the_opcua_device_turns_a_foreign_certificate_away(
    lab: Lab, edge_node: LabNode, opcua_device: Device, workload: Workload
) -> None:
    workload.must_sample(edge_node.spec)
    device = lab.devices[opcua_device.name]
    before = device.status().refused
    with foreign_certificate(lab, edge_node):
        found = opcua(workload, lab, edge_node, opcua_device, SEQUENCE, security=FOREIGN)
    assert not found.ok
    assert device.status().refused > before, f"the device refused no client ({found.error})"
    # The lab's own certificate, in the same pod, is admitted.
    assert opcua(workload, lab, edge_node, opcua_device, SEQUENCE).ok


@contextlib.contextmanager
def foreign_certificate(lab: Lab, node: LabNode) -> Iterator[None]:
    """Writes into the sampler's folder: the right names, signed by an unknown authority."""
    foreign = Authority.create("another authority", key=KeyKind.RSA)
    identity = foreign.issue(sampler_spec(node.name))
    files = {
        "tls.crt": identity.certificate_pem,
        "tls.key": identity.key_pem,
        "ca.crt": lab.pki.authority(DEVICES).certificate_pem,
    }
    try:
        for name, content in files.items():
            node.machine.write(GuestFile(f"{FOREIGN}/{name}", content, 0o600))
        yield
    finally:
        node.output(f"rm -rf {FOREIGN}")
