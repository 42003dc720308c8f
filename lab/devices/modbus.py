"""The Modbus sides of a device, over TCP and with RTU frames; the register map is in points.py."""

from __future__ import annotations

from ipaddress import IPv4Address

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.constants import ExcCodes
from pymodbus.framer import FramerType
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from edge_lab.devices.faults import DeviceFault
from edge_lab.devices.framing import Framing, ModbusFraming, RtuFraming
from edge_lab.devices.points import (
    COILS,
    DISCRETE_INPUTS,
    MODBUS_PORT,
    MODBUS_UNIT,
    REQUESTED_SETPOINT,
    SETPOINT_REGISTER,
    Value,
    block_of,
    coil,
    discrete_input,
    read_block,
    registers_of,
)
from edge_lab.devices.serving import LOOPBACK, Server, Shown
from edge_lab.topology import ModbusOptions

_REGISTER_WRITES = (6, 16, 22, 23)
"""Function codes that write holding registers."""
_COIL_READ, _DISCRETE_READ, _INPUT_READ = 1, 2, 4
_COIL_WRITES = (5, 15)


class ModbusServer(Server):
    port = MODBUS_PORT
    framing: Framing = ModbusFraming()
    self_read_seconds = 3.0
    framer = FramerType.SOCKET
    broadcasts = False
    """Whether what is for all units (0) is carried out without an answer, as on a serial line."""

    def __init__(self, shown: Shown, address: IPv4Address, options: ModbusOptions) -> None:
        self._shown = shown
        self._address = str(address)
        self._order = options.word_order
        self._points = shown.plant.points
        self._length = len(block_of(self._points, 0, dict.fromkeys(self._names(), 0)))
        self._server: ModbusTcpServer | None = None

    def _names(self) -> list[str]:
        return [point.name for point in self._points]

    def addresses(self) -> dict[str, str]:
        found = {each.point.name: str(each.address) for each in registers_of(self._points)}
        flags = enumerate(self._shown.plant.flags)
        return {
            **found,
            REQUESTED_SETPOINT: str(SETPOINT_REGISTER),
            **{flag.name: discrete_input(number) for number, flag in flags},
        }

    def values(self, raw: dict[str, int]) -> dict[str, Value]:
        return dict(raw)

    async def start(self) -> None:
        block = SimData(0, values=[0] * self._length, datatype=DataType.REGISTERS, readonly=True)
        setpoint = SimData(
            SETPOINT_REGISTER, values=[self._shown.requested], datatype=DataType.REGISTERS
        )
        device = SimDevice(
            id=MODBUS_UNIT,
            simdata=(
                [SimData(0, values=[False] * COILS, datatype=DataType.BITS)],
                [SimData(0, values=[False] * DISCRETE_INPUTS, datatype=DataType.BITS)],
                [block, setpoint],
                [block],
            ),
            action=self._access,
        )
        self._server = ModbusTcpServer(
            device,
            address=(LOOPBACK, MODBUS_PORT),
            framer=self.framer,
            broadcast_enable=self.broadcasts,
        )
        await self._server.serve_forever(background=True)

    async def _access(
        self,
        function: int,
        start: int,
        address: int,
        count: int,
        registers: list[int],
        written: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        """Called for each request before it is answered; no await, so it sees one step.

        `registers` are those of the table that the function works on, 16 bits to a register.
        """
        shown = self._shown
        if function == _COIL_READ or function in _COIL_WRITES:
            for number, value in enumerate(written or (), start=address):
                shown.on_write(coil(number), int(value))
                shown.coils[number] = bool(value)
            registers[0] = _packed(shown.coils)
        elif function == _DISCRETE_READ:
            registers[0] = _packed([flag.holds(shown.raw) for flag in shown.plant.flags])
        else:
            if written is not None:
                if function not in _REGISTER_WRITES:
                    return ExcCodes.ILLEGAL_FUNCTION
                if address != SETPOINT_REGISTER or count != 1:
                    return ExcCodes.ILLEGAL_ADDRESS
                raw = int(written[0])
                if not shown.plant.setpoint.accepts(raw):
                    return ExcCodes.ILLEGAL_VALUE
                shown.on_write(str(SETPOINT_REGISTER), raw)
                shown.requested = raw
            block = block_of(self._points, shown.seq, shown.raw, self._order)
            registers[: self._length] = block
            if function != _INPUT_READ:
                registers[SETPOINT_REGISTER - start] = shown.requested
        return None

    async def show(self) -> None:
        """Nothing to do: each request reads what is shown."""

    async def read_itself(self) -> int:
        client = AsyncModbusTcpClient(
            self._address,
            port=MODBUS_PORT,
            framer=self.framer,
            timeout=self.self_read_seconds,
            retries=0,
        )
        try:
            if not await client.connect():
                raise ConnectionError("the device does not accept its own connection")
            reply = await client.read_holding_registers(
                0, count=self._length, device_id=MODBUS_UNIT
            )
            if reply.isError():
                raise ConnectionError(f"the device answered {reply}")
            seq, _ = read_block(self._points, reply.registers, self._order)
            return seq
        finally:
            client.close()

    async def set_fault(self, fault: DeviceFault | None) -> None:
        """Nothing to do: the relay does all faults of this protocol."""

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.shutdown()  # type: ignore[no-untyped-call]


class ModbusRtuServer(ModbusServer):
    """RTU frames in a TCP connection, as of a serial line behind a converter."""

    framing = RtuFraming(MODBUS_UNIT)
    framer = FramerType.RTU
    broadcasts = True


def _packed(bits: list[bool]) -> int:
    """The bits as pymodbus keeps them in a register: the first is the lowest."""
    return sum(bit << number for number, bit in enumerate(bits))
