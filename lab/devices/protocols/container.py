"""Devices from container images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_lab.devices.protocols.base import DeviceProtocol
from edge_lab.topology import Device, Protocol

if TYPE_CHECKING:
    from edge_lab.devices.spec import DeviceSpec


class Container(DeviceProtocol):
    """Without a plant, ground truth, samples or twins: its points are unknown."""

    name = Protocol.CONTAINER.value
    is_served = False
    faults = frozenset({"gone"})

    def port(self, device: Device) -> int | None:
        return device.port

    def run(self, spec: DeviceSpec) -> None:
        # Imports the Docker SDK, which no other device needs.
        from edge_lab.devices.container import run_container

        run_container(spec)
