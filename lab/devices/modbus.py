"""The Modbus TCP side of a device; the register map is in points.py."""

from __future__ import annotations

from ipaddress import IPv4Address

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from lab.devices.faults import DeviceFault
from lab.devices.framing import ModbusFraming
from lab.devices.points import (
    MODBUS_PORT,
    MODBUS_UNIT,
    REQUESTED_SETPOINT,
    SETPOINT_REGISTER,
    Value,
    block_of,
    read_block,
    registers_of,
)
from lab.devices.serving import LOOPBACK, Server, Shown

_REGISTER_WRITES = (6, 16, 22, 23)
"""Function codes that write holding registers; coils lie over the same memory."""


class ModbusServer(Server):
    port = MODBUS_PORT
    framing = ModbusFraming()
    self_read_seconds = 3.0

    def __init__(self, shown: Shown, address: IPv4Address) -> None:
        self._shown = shown
        self._address = str(address)
        self._points = shown.plant.points
        self._length = len(block_of(self._points, 0, dict.fromkeys(self._names(), 0)))
        self._server: ModbusTcpServer | None = None

    def _names(self) -> list[str]:
        return [point.name for point in self._points]

    def addresses(self) -> dict[str, str]:
        found = {each.point.name: str(each.address) for each in registers_of(self._points)}
        return {**found, REQUESTED_SETPOINT: str(SETPOINT_REGISTER)}

    def values(self, raw: dict[str, int]) -> dict[str, Value]:
        return dict(raw)

    async def start(self) -> None:
        device = SimDevice(
            id=MODBUS_UNIT,
            simdata=[
                SimData(0, values=[0] * self._length, datatype=DataType.REGISTERS, readonly=True),
                SimData(
                    SETPOINT_REGISTER, values=[self._shown.requested], datatype=DataType.REGISTERS
                ),
            ],
            action=self._access,
        )
        self._server = ModbusTcpServer(device, address=(LOOPBACK, MODBUS_PORT))
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
        """Called for each request before it is answered; no await, so it sees one step."""
        if written is not None:
            if function not in _REGISTER_WRITES:
                return ExcCodes.ILLEGAL_FUNCTION
            if address != SETPOINT_REGISTER or count != 1:
                return ExcCodes.ILLEGAL_ADDRESS
            raw = int(written[0])
            if not self._shown.plant.setpoint.accepts(raw):
                return ExcCodes.ILLEGAL_VALUE
            self._shown.on_write(str(SETPOINT_REGISTER), raw, raw)
        registers[: self._length] = block_of(self._points, self._shown.seq, self._shown.raw)
        registers[SETPOINT_REGISTER - start] = self._shown.requested
        return None

    async def show(self) -> None:
        """Nothing to do: each request reads what is shown."""

    async def read_itself(self) -> int:
        client = AsyncModbusTcpClient(
            self._address, port=MODBUS_PORT, timeout=self.self_read_seconds, retries=0
        )
        try:
            if not await client.connect():
                raise ConnectionError("the device does not accept its own connection")
            reply = await client.read_holding_registers(
                0, count=self._length, device_id=MODBUS_UNIT
            )
            if reply.isError():
                raise ConnectionError(f"the device answered {reply}")
            seq, _ = read_block(self._points, reply.registers)
            return seq
        finally:
            client.close()

    async def set_fault(self, fault: DeviceFault | None) -> None:
        """Nothing to do: the relay does all faults of this protocol."""

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.shutdown()  # type: ignore[no-untyped-call]
