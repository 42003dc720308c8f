"""Modbus, by TCP frames or by RTU frames over TCP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edge_lab.devices.plant import PLANTS
from edge_lab.devices.points import (
    MODBUS_PORT,
    MODBUS_UNIT,
    REQUESTED_SETPOINT,
    SETPOINT_REGISTER,
    Point,
    registers_of,
)
from edge_lab.devices.protocols.base import (
    RELAYED_FAULTS,
    RESTART_FAULTS,
    DeviceProtocol,
    Place,
    address_of,
)
from edge_lab.topology import Device, Protocol, Topology, WordOrder

if TYPE_CHECKING:
    from edge_lab.devices.serving import Server, Shown
    from edge_lab.devices.spec import DeviceSpec


class Modbus(DeviceProtocol):
    """Holding registers; the ground truth has their raw numbers."""

    name = Protocol.MODBUS.value
    faults = RELAYED_FAULTS | RESTART_FAULTS | {"exceptions", "late"}
    plant = "boiler"
    truth_is_raw = True
    sampler_name = "modbus-tcp"
    has_twins = True
    twin_name = "modbus"
    framing = "tcp"

    def port(self, device: Device) -> int | None:
        return MODBUS_PORT

    def make_server(self, spec: DeviceSpec, shown: Shown) -> Server:
        from edge_lab.devices.modbus import ModbusTcpServer

        return ModbusTcpServer(shown, spec.address.ip, spec.modbus)

    def can_be_sampled(self, device: Device) -> bool:
        return device.modbus is None or device.modbus.word_order is WordOrder.BIG

    def sampler_config(self, topology: Topology, device: Device) -> dict[str, Any]:
        return {
            "address": f"{address_of(topology, device)}:{MODBUS_PORT}",
            "unit": MODBUS_UNIT,
            "points": [
                {
                    "name": register.point.name,
                    "register": register.address,
                    "kind": register.point.kind.value,
                }
                for register in registers_of(PLANTS[self.plant].points)
            ],
        }

    def twin_access(self, topology: Topology, device: Device) -> dict[str, Any]:
        return {
            "host": address_of(topology, device),
            "port": MODBUS_PORT,
            "unit": MODBUS_UNIT,
            "framing": self.framing,
        }

    def twin_places(self, device: Device, requested: Point) -> dict[str, Place]:
        places = {
            register.point.name: _register(device, register.point, register.address)
            for register in registers_of(PLANTS[self.plant].points)
        }
        return {**places, REQUESTED_SETPOINT: _register(device, requested, SETPOINT_REGISTER)}

    def missing_place(self, device: Device, point: Point) -> Place:
        last = registers_of(PLANTS[self.plant].points)[-1]
        address = last.address + last.point.kind.registers
        return {"register": address, "kind": point.kind.value}


class ModbusRtu(Modbus):
    """The same registers in RTU frames; the sampler speaks TCP frames only."""

    name = Protocol.MODBUS_RTU.value
    faults = Modbus.faults | {"bad-crc"}
    framing = "rtu"

    def make_server(self, spec: DeviceSpec, shown: Shown) -> Server:
        from edge_lab.devices.modbus import ModbusRtuServer

        return ModbusRtuServer(shown, spec.address.ip, spec.modbus)

    def can_be_sampled(self, device: Device) -> bool:
        return False


class ModbusSerial(ModbusRtu):
    """The same device with an additional serial line, on which it answers as over TCP."""

    name = Protocol.MODBUS_SERIAL.value
    has_serial_line = True


def _register(device: Device, point: Point, address: int) -> dict[str, Any]:
    place: dict[str, Any] = {"register": address, "kind": point.kind.value}
    if point.digits:
        place["digits"] = point.digits
    if device.modbus and point.kind.registers > 1:
        place["wordOrder"] = device.modbus.word_order.value
    return place
