"""Ports that exist with any stack and add-ons: those of devices.

sshd of nodes is not included: it only listens on the management address, so on a network of the lab
it would be an undeclared listener.
"""

from __future__ import annotations

from edge_lab.devices.protocols import protocol_of
from edge_lab.probes.endpoint import Endpoint, Reach, Speaks
from edge_lab.topology import Topology


def device_endpoints(topology: Topology) -> tuple[Endpoint, ...]:
    """The ports of devices, whose protocols have their own authentication or none."""
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
