"""Modbus TCP by firmware on an emulated microcontroller: FreeRTOS and lwIP."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel, Field

from edge_lab.artifacts import Want, host_arch
from edge_lab.core.errors import LabError
from edge_lab.devices.protocols.base import Misfit, Options
from edge_lab.devices.protocols.modbus import Modbus
from edge_lab.topology import Device, Protocol

if TYPE_CHECKING:
    from edge_lab.devices.serving import Server, Shown
    from edge_lab.devices.spec import DeviceSpec

FIRMWARE = "rtos-firmware"
"""The component; one file for all devices and architectures."""


TICK_MS = 10
"""configTICK_RATE_HZ of the firmware, as a time."""


class RtosOptions(Options):
    connections: int = Field(
        8, ge=1, le=32, description="Connections of clients at a time; more are closed."
    )
    watchdog_ms: int = Field(
        4000, ge=1000, le=60_000, description="After so long without a sign of life it resets, ms."
    )


class ModbusRtos(Modbus):
    """The registers and functions of `modbus-tcp`, with a separate TCP stack."""

    name = Protocol.MODBUS_RTOS.value
    options: ClassVar[type[BaseModel]] = RtosOptions
    host_programs: ClassVar[Mapping[str, str]] = MappingProxyType(
        {"qemu-system-arm": "qemu-system-arm", "setpriv": "util-linux"}
    )
    faults = frozenset({"gone", "busy", "reset", "brown-out", "hang", "slow-clock"})

    def misfit(self, device: Device) -> Misfit | None:
        if not device.period_ms % TICK_MS:
            return None
        fits = max(1, round(device.period_ms / TICK_MS)) * TICK_MS
        return Misfit(
            "period_ms",
            f"the period of firmware must be a multiple of {TICK_MS} ms, not {device.period_ms} ms",
            f"Use {fits}.",
        )

    def wants(self) -> tuple[Want, ...]:
        return (Want(FIRMWARE, host_arch()),)

    def run(self, spec: DeviceSpec) -> None:
        from edge_lab.devices.rtos.device import run_firmware

        run_firmware(spec)

    def make_server(self, spec: DeviceSpec, shown: Shown) -> Server:
        raise LabError(f"a device that speaks {self.name} is served by its firmware")
