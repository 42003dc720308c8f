"""Ports that are there whatever the stack and the add-ons: sshd of nodes, and devices."""

from __future__ import annotations

from edge_lab.devices.protocols import protocol_of
from edge_lab.probes.endpoint import Endpoint, Reach, Speaks
from edge_lab.topology import Topology

SSH_PORT = 22


def machine_endpoints(topology: Topology) -> tuple[Endpoint, ...]:
    """sshd takes connections on every address; who has the lab's key gets in."""
    return tuple(
        Endpoint(
            name="sshd",
            node=node.name,
            port=SSH_PORT,
            speaks=Speaks.OTHER,
            purpose="the lab's own way in",
            admits="who has the lab's key",
        )
        for node in topology.nodes
    )


def device_endpoints(topology: Topology) -> tuple[Endpoint, ...]:
    """Devices by their own protocols, which ask in their own way or not at all."""
    return tuple(
        Endpoint(
            name=device.protocol,
            node=device.name,
            port=port,
            speaks=Speaks.OTHER,
            purpose=f"values of {device.name}",
            admits="who is on its network, as far as its protocol asks no more",
            reach=Reach.WIRE,
        )
        for device in topology.devices
        if (port := protocol_of(device.protocol).port(device)) is not None
    )
