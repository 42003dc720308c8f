"""Whatever a container image serves."""

from __future__ import annotations

from edge_lab.devices.protocols.base import DeviceProtocol
from edge_lab.topology import Device, Protocol


class Container(DeviceProtocol):
    """Without a plant, a ground truth, a sampler or a twin: the lab does not know its points."""

    def __init__(self) -> None:
        super().__init__(Protocol.CONTAINER)

    def port(self, device: Device) -> int | None:
        return device.port
