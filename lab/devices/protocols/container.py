"""Devices from container images."""

from __future__ import annotations

from edge_lab.devices.protocols.base import DeviceProtocol
from edge_lab.topology import Device, Protocol


class Container(DeviceProtocol):
    """Without a plant, ground truth, samples or twins: its points are unknown."""

    name = Protocol.CONTAINER.value
    is_served = False
    faults = frozenset({"gone"})

    def port(self, device: Device) -> int | None:
        return device.port
