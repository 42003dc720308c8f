"""Whatever a container image serves."""

from __future__ import annotations

from edge_lab.devices.protocols.base import DeviceProtocol
from edge_lab.topology import Device, Protocol


class Container(DeviceProtocol):
    """Without a plant, a ground truth, a sampler or a twin: the lab does not know its points."""

    name = Protocol.CONTAINER.value
    is_served = False
    faults = frozenset({"gone"})

    def port(self, device: Device) -> int | None:
        return device.port
