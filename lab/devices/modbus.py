"""The Modbus sides of a device, over TCP and with RTU frames; the register map is in points.py."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from ipaddress import IPv4Address

from pymodbus.framer import FramerType

from edge_lab.devices import rtu
from edge_lab.devices.faults import DeviceFault
from edge_lab.devices.framing import Framing, ModbusFraming, RtuFraming, answer_to
from edge_lab.devices.modbus_pdu import Code, carry_out, refusal
from edge_lab.devices.modbus_self_read import read_sequence
from edge_lab.devices.modbus_tables import PlantTables
from edge_lab.devices.points import (
    MODBUS_PORT,
    MODBUS_UNIT,
    REQUESTED_SETPOINT,
    SETPOINT_REGISTER,
    Value,
    discrete_input,
    registers_of,
)
from edge_lab.devices.serving import LOOPBACK, Server, Shown
from edge_lab.topology import ModbusOptions


class ModbusServer(Server):
    """Serves frames; subclasses define their format."""

    port = MODBUS_PORT
    self_read_seconds = 3.0
    framer: FramerType
    """The request by which the device reads itself."""

    def __init__(self, shown: Shown, address: IPv4Address, options: ModbusOptions) -> None:
        self._shown = shown
        self._address = str(address)
        self._order = options.word_order
        self._points = shown.plant.points
        self.tables = PlantTables(shown, options.word_order)
        self.lines: set[asyncio.Transport] = set()
        """Connections with the relay."""
        self._listener: asyncio.Server | None = None

    @abstractmethod
    def answer(self, request: bytes) -> bytes:
        """Executes a request frame; returns the answer frame, empty if there is none."""

    def addresses(self) -> dict[str, str]:
        found = {
            register.point.name: str(register.address) for register in registers_of(self._points)
        }
        flags = enumerate(self._shown.plant.flags)
        return {
            **found,
            REQUESTED_SETPOINT: str(SETPOINT_REGISTER),
            **{flag.name: discrete_input(number) for number, flag in flags},
        }

    def values(self, raw: dict[str, int]) -> dict[str, Value]:
        return dict(raw)

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(lambda: _Line(self), LOOPBACK, self.port)

    async def show(self) -> None:
        """Nothing to do: each request reads the current values."""

    async def read_itself(self) -> int:
        return await read_sequence(
            self._address,
            self._points,
            self.self_read_seconds,
            framer=self.framer,
            order=self._order,
        )

    async def set_fault(self, fault: DeviceFault | None) -> None:
        """Nothing to do: the relay implements all faults of this protocol."""

    async def stop(self) -> None:
        if self._listener is not None:
            self._listener.close()
        for transport in self.lines:
            transport.abort()


class ModbusTcpServer(ModbusServer):
    """Modbus TCP.

    The device is not a gateway, so the unit identifiers 255 and 0, "not used", mean the device
    itself (Messaging on TCP/IP V1.0b), and so does its unit of the register map.
    """

    framing: Framing = ModbusFraming()
    framer = FramerType.SOCKET

    _UNITS = frozenset({MODBUS_UNIT, 0, 255})

    def answer(self, request: bytes) -> bytes:
        unit, asked = request[6], request[7:]
        if unit not in self._UNITS:
            return answer_to(request, refusal(asked[0], Code.NO_TARGET))
        return answer_to(request, carry_out(asked, self.tables))


class ModbusRtuServer(ModbusServer):
    """RTU frames in a TCP connection, as from a serial device server."""

    _line = RtuFraming(MODBUS_UNIT)
    framing: Framing = _line
    framer = FramerType.RTU

    def answer(self, request: bytes) -> bytes:
        if not self._line.is_heard(request):
            return b""
        said = carry_out(request[1:-2], self.tables)
        return rtu.with_crc(request[:1] + said) if self._line.is_answered(request) else b""


class _Line(asyncio.Protocol):
    """The server's end of one connection: requests are answered in order."""

    def __init__(self, server: ModbusServer) -> None:
        self._server = server
        self._requests = server.framing.requests()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._server.lines.add(transport)

    def connection_lost(self, problem: Exception | None) -> None:
        self._server.lines.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        for request in self._requests.feed(data):
            if not self._requests.framed:
                # The beginning of the next request is unknown.
                self._transport.close()
                return
            if said := self._server.answer(request):
                self._transport.write(said)

    def pause_writing(self) -> None:
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._transport.resume_reading()
