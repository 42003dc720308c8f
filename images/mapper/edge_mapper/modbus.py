"""Lines that speak Modbus TCP, or RTU frames over TCP.

A device's `configData`: host, port, unit, and optional `framing` ("tcp" or "rtu").  A
property's: register, kind ("uint16", "int32", "uint32"), digits (decimal places of the raw
number), and optional `wordOrder` ("big" or "little": which register comes first).  All
registers are holding registers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .lines import Declined, Gone, Line
from .objects import Property
from .values import Value, text_of

ANSWER_SECONDS = 5.0
MOST_REGISTERS = 125
"""In one read, by the protocol."""

_LENGTH = {"uint16": 1, "int32": 2, "uint32": 2}


@dataclass(frozen=True)
class Place:
    """Where a value lies and how."""

    register: int
    kind: str
    digits: int
    little: bool

    @classmethod
    def of(cls, visitor: Mapping[str, Any]) -> Place:
        """From a property's configData; ValueError if it makes no sense."""
        # What comes by way of protobuf has made floats of whole numbers.
        kind = str(visitor.get("kind", "uint16"))
        if "register" not in visitor:
            raise ValueError("it names no register")
        place = cls(
            int(visitor["register"]),
            kind,
            int(visitor.get("digits", 0)),
            visitor.get("wordOrder", "big") == "little",
        )
        if kind not in _LENGTH or not 0 <= place.register <= 0xFFFF or not 0 <= place.digits <= 9:
            raise ValueError(f"no place in a Modbus device: {dict(visitor)}")
        return place

    @property
    def length(self) -> int:
        return _LENGTH[self.kind]

    @property
    def end(self) -> int:
        return self.register + self.length

    def decode(self, registers: Sequence[int]) -> Value:
        """The value in its registers."""
        if self.length == 1:
            raw = registers[0]
        else:
            high, low = reversed(registers) if self.little else registers
            raw = high << 16 | low
            if self.kind == "int32" and raw >= 1 << 31:
                raw -= 1 << 32
        return raw / 10.0**self.digits if self.digits else raw

    def encode(self, value: Value) -> list[int]:
        """The registers that hold the value; Declined if they cannot."""
        try:
            raw = round(float(value) * 10**self.digits)
        except (ValueError, OverflowError) as trouble:
            raise Declined(f"{value!r} is no number that fits into a {self.kind}") from trouble
        low, high = (-(1 << 31), (1 << 31) - 1) if self.kind == "int32" else (0, (1 << 16) - 1)
        if self.kind == "uint32":
            high = (1 << 32) - 1
        if not low <= raw <= high:
            raise Declined(f"{value} does not fit into a {self.kind}")
        if self.length == 1:
            return [raw]
        words = [raw >> 16 & 0xFFFF, raw & 0xFFFF]
        return words[::-1] if self.little else words


def blocks(places: Sequence[Place]) -> Iterator[tuple[int, int]]:
    """First register and number of registers of each read: what lies side by side is one read."""
    start = end = -1
    for place in sorted(places, key=lambda each: each.register):
        if start >= 0 and place.register <= end and place.end - start <= MOST_REGISTERS:
            end = max(end, place.end)
            continue
        if start >= 0:
            yield start, end - start
        start, end = place.register, place.end
    if start >= 0:
        yield start, end - start


class ModbusLine(Line):
    """One connection to one unit."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        from pymodbus import FramerType
        from pymodbus.client import AsyncModbusTcpClient

        self._unit = int(config.get("unit", 1))
        rtu = config.get("framing", "tcp") == "rtu"
        self._client = AsyncModbusTcpClient(
            str(config["host"]),
            port=int(config.get("port", 502)),
            framer=FramerType.RTU if rtu else FramerType.SOCKET,
            timeout=ANSWER_SECONDS,
            retries=0,
            reconnect_delay=0,
        )

    def check(self, of: Property) -> None:
        Place.of(of.visitor)

    def text(self, of: Property, value: Value) -> str:
        return text_of(value, Place.of(of.visitor).digits)

    async def _connect(self) -> None:
        if self._client.connected:
            return
        if not await self._client.connect():
            raise Gone("it does not accept a connection")

    async def fetch(self, properties: Sequence[Property]) -> dict[str, Value]:
        places = {each.name: Place.of(each.visitor) for each in properties}
        held: dict[int, int] = {}
        declined = ""
        for start, count in blocks(list(places.values())):
            try:
                held |= await self._read(start, count)
            except Declined as trouble:
                declined = str(trouble)
        found = {}
        for name, place in places.items():
            registers = [held.get(each) for each in range(place.register, place.end)]
            if None not in registers:
                found[name] = place.decode([each for each in registers if each is not None])
        if not found and declined:
            raise Declined(declined)
        return found

    async def _read(self, start: int, count: int) -> dict[int, int]:
        from pymodbus import ModbusException

        await self._connect()
        try:
            reply = await self._client.read_holding_registers(
                start, count=count, device_id=self._unit
            )
        except (ModbusException, OSError, TimeoutError) as trouble:
            self._client.close()
            raise Gone(str(trouble)) from trouble
        except BaseException:  # its answer may come yet, and RTU does not say to what
            self._client.close()
            raise
        if reply.isError():
            raise Declined(f"registers from {start}: {reply}")
        if len(reply.registers) != count:
            self._client.close()
            raise Gone(f"{len(reply.registers)} registers came for {count}")
        return dict(enumerate(reply.registers, start))

    async def put(self, to: Property, value: Value) -> None:
        from pymodbus import ModbusException

        place = Place.of(to.visitor)
        registers = place.encode(value)
        await self._connect()
        try:
            if len(registers) == 1:
                reply = await self._client.write_register(
                    place.register, registers[0], device_id=self._unit
                )
            else:
                reply = await self._client.write_registers(
                    place.register, registers, device_id=self._unit
                )
        except (ModbusException, OSError, TimeoutError) as trouble:
            self._client.close()
            raise Gone(str(trouble)) from trouble
        except BaseException:
            self._client.close()
            raise
        if reply.isError():
            raise Declined(f"register {place.register}: {reply}")

    async def close(self) -> None:
        self._client.close()
