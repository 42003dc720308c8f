"""Devices by their own protocols: OPC UA admits only trusted applications, Modbus TCP everyone on
its network."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.addons.workload.identities import sampler_spec
from edge_lab.addons.workload.manifests import sampled_devices
from edge_lab.core.errors import MissingCapability
from edge_lab.devices.identities import server_identity
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.nodes import LabNode
from edge_lab.fixtures.probes import Prober
from edge_lab.oracles.identity import Finding
from edge_lab.pki import DEVICES
from edge_lab.probes.catalog import PROBES
from edge_lab.probes.dial import Dial, SocketDial
from edge_lab.probes.endpoint import Endpoint
from edge_lab.probes.mint import Mint
from edge_lab.probes.modbus import MODBUS_DEVICE, modbus_probe
from edge_lab.probes.opcua import OPCUA_DEVICE, OpcUaServer, opcua_probes
from edge_lab.probes.record import ProbeRecord
from edge_lab.probes.run import Target
from edge_lab.topology import Device, OpcUaOptions, Protocol
from suites.identity.insecure_device import insecure_device

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [allure.parent_suite("Identity"), allure.feature("Devices")]

SESSION_SECONDS = 60.0


def within_reach(lab: Lab, node: LabNode, protocol: Protocol) -> list[Device]:
    """The devices that the node reads; skips where there are none."""
    found = [
        device for device in sampled_devices(lab.topology, node.spec) if device.protocol == protocol
    ]
    if not found:
        raise MissingCapability(f"{node} reads no device that speaks {protocol.value}")
    return found


def endpoint_of(probe: Prober, device: Device) -> Endpoint:
    (found,) = probe.endpoints(device.name)
    return found


def probed(
    endpoint: Endpoint, server: OpcUaServer, mint: Mint, dial: Dial, time_limit: TimeLimit
) -> list[ProbeRecord]:
    """All OPC UA probes, and TLS on its plain port."""
    records = list(opcua_probes(server, mint, dial, lambda: time_limit(SESSION_SECONDS)))
    tls = Target(endpoint, server.address, dial, mint).try_one(PROBES["tls"])
    return [*records, tls]


@allure.story("OPC UA")
@allure.title("OPC UA devices refuse wrong peers on {edge_node}, each with its own status code")
@pytest.mark.scenario("wrong peers of devices")
def test_opcua_devices_refuse_wrong_peers(
    lab: Lab, edge_node: LabNode, probe: Prober, time_limit: TimeLimit
) -> None:
    mint = Mint(lab.pki.authority(DEVICES), sampler_spec(edge_node.name))
    failed = []
    for device in within_reach(lab, edge_node, Protocol.OPCUA):
        options = device.opcua or OpcUaOptions()
        endpoint = replace(endpoint_of(probe, device), policy=OPCUA_DEVICE, right=mint.right)
        server = OpcUaServer(
            endpoint.id,
            str(lab.topology.links_of(device.name)[0].address),
            endpoint.port,
            lab.pki.identity(DEVICES, server_identity(device.name)).certificate_pem,
            options.policies[0].value,
            options.modes[0].value,
        )
        records = probed(endpoint, server, mint, probe.dial(edge_node.name), time_limit)
        verdict = probe.judge(edge_node.name, [endpoint], records)
        failed += [] if verdict.passed else [str(verdict)]
    assert not failed, "\n".join(failed)


@allure.story("Control")
@allure.title("Each probe fails at an OPC UA server that trusts anyone (control)")
def test_an_opcua_server_that_trusts_anyone_is_red(
    lab: Lab, edge_node: LabNode, probe: Prober, time_limit: TimeLimit
) -> None:
    (first, *_) = within_reach(lab, edge_node, Protocol.OPCUA)
    mint = Mint(lab.pki.authority(DEVICES), sampler_spec(edge_node.name))
    with insecure_device() as (port, shown):
        endpoint = replace(
            endpoint_of(probe, first), name="insecure-opcua", port=port, policy=OPCUA_DEVICE
        )
        server = OpcUaServer(endpoint.id, "127.0.0.1", port, shown)
        records = list(
            opcua_probes(server, mint, SocketDial(), lambda: time_limit(SESSION_SECONDS))
        )
    judged = probe.control("an OPC UA server that trusts anyone", endpoint, records)
    found = {check.record.probe: check.finding for check in judged}
    assert found.pop("right") is Finding.PASS
    assert set(found) == set(OPCUA_DEVICE.expects) - {"right", "tls"}
    assert {name: finding for name, finding in found.items() if finding is not Finding.LET_IN} == {}


@allure.story("Modbus")
@allure.title("Modbus devices answer any client on their network: {edge_node}")
def test_modbus_devices_let_anyone_in(
    lab: Lab, edge_node: LabNode, probe: Prober, time_limit: TimeLimit
) -> None:
    """A declared finding, not a failure: the protocol has no authentication."""
    failed = []
    for device in within_reach(lab, edge_node, Protocol.MODBUS):
        endpoint = replace(endpoint_of(probe, device), policy=MODBUS_DEVICE)
        record = modbus_probe(
            endpoint.id,
            str(lab.topology.links_of(device.name)[0].address),
            endpoint.port,
            probe.dial(edge_node.name),
            time_limit(SESSION_SECONDS),
        )
        verdict = probe.judge(edge_node.name, [endpoint], [record])
        failed += [] if verdict.passed else [str(verdict)]
    assert not failed, "\n".join(failed)
