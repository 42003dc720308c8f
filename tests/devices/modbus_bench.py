"""A Modbus server behind its relay, without a device."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import IPv4Address

from edge_lab.core.ports import choose_ports
from edge_lab.devices.framing import RtuFraming
from edge_lab.devices.modbus import ModbusRtuServer, ModbusServer
from edge_lab.devices.points import MODBUS_UNIT, Value
from edge_lab.devices.relay import Relay
from edge_lab.topology import ModbusOptions
from tests.devices.relay_bench import HOST
from tests.devices.test_modbus_pdu import plant_tables


class PatientRtu(RtuFraming):
    """Takes no stall of a busy machine for the end of a frame."""

    silence = 10.0


@asynccontextmanager
async def device(kind: type[ModbusServer]) -> AsyncIterator[tuple[Relay, int, ModbusServer]]:
    """Relay and server as in a device, and the relay's port."""
    server = serves(kind)
    inner, outer = choose_ports(2)
    server.port = inner
    await server.start()
    relay = Relay((HOST, outer), (HOST, inner), server.framing)
    await relay.start()
    try:
        yield relay, outer, server
    finally:
        await relay.stop()
        await server.stop()


def serves(kind: type[ModbusServer]) -> ModbusServer:
    _, shown, _ = plant_tables()
    server = kind(shown, IPv4Address(HOST), ModbusOptions())
    if kind is ModbusRtuServer:
        server.framing = PatientRtu(MODBUS_UNIT)
    return server


def noted(server: ModbusServer) -> list[tuple[str, Value]]:
    written: list[tuple[str, Value]] = []
    server._shown.on_write = lambda address, value: written.append((address, value))
    return written
