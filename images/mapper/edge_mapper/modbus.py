"""Lines that speak Modbus TCP, or RTU frames over TCP.

A device's `configData`: host (or ip), port, unit (or slaveID), and optional `framing` ("tcp" or
"rtu").  A property's: see places.py.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any

from .fields import one_of, whole
from .lines import Declined, Gone, Line, Refusal, Silent, Unavailable
from .objects import Property
from .places import MOST_REGISTERS, Place, Table
from .reads import Reader
from .values import Value, text_of

ANSWER_SECONDS = 5.0
PARTS_SECONDS = 600.0
"""For so long what a device refuses to give in one read is read in parts, then it is asked for in
one again."""

MOST_PLACES_KEPT = 5000

MOST_WRITTEN = {Table.COIL: 1968, Table.HOLDING: 123}
"""In one write, by the protocol."""

EXCEPTIONS = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "server device failure",
    5: "acknowledge",
    6: "server device busy",
    7: "negative acknowledge",
    8: "memory parity error",
    0x0A: "gateway path unavailable",
    0x0B: "gateway target device failed to respond",
}
_UNAVAILABLE = (4, 5, 6, 0x0A, 0x0B)
"""Of the device as a whole, if it keeps to the protocol."""


def merged(
    places: Sequence[Place], is_apart: Callable[[Place], bool] = lambda _: False
) -> list[list[Place]]:
    """The places as reads: what lies side by side is one, but for what is to begin one anew."""
    found: list[list[Place]] = []
    end = 0
    for place in sorted(places, key=attrgetter("order")):
        if (
            found
            and place.table is found[-1][0].table
            and place.register <= end
            and max(end, place.end) - found[-1][0].register <= place.table.most
            and not is_apart(place)
        ):
            found[-1].append(place)
            end = max(end, place.end)
        else:
            found.append([place])
            end = place.end
    return found


def blocks(places: Sequence[Place]) -> Iterator[tuple[int, int]]:
    """First register and number of registers of each read."""
    for group in merged(places):
        yield group[0].register, max(place.end for place in group) - group[0].register


def declined(code: int) -> Declined:
    """An exception as the device's own words."""
    number = f"{code:#04X}".replace("X", "x") if code > 9 else str(code)
    kind = Unavailable if code in _UNAVAILABLE else Declined
    return kind(f"exception {number} ({EXCEPTIONS.get(code, 'not of the protocol')})")


Request = Callable[[Table, int, int], Awaitable[Sequence[int]]]


class RegisterReader(Reader[Place]):
    """Reads places by `request`: table, first, and how many."""

    def __init__(self, request: Request) -> None:
        super().__init__()
        self._request = request
        self._apart: dict[tuple[Table, int], float] = {}
        """Where a read must end and the next one begin, and until when."""
        self._pieces: dict[Place, int] = {}
        """Places that are longer than what the device gives at once, and how much it gives."""

    def groups(self, items: Sequence[Place]) -> list[Sequence[Place]]:
        if not self._apart and not self._pieces:
            return list(merged(items))
        now = time.monotonic()
        self._apart = {place: until for place, until in self._apart.items() if until > now}
        whole_ones = [place for place in items if place not in self._pieces]
        return [
            *merged(whole_ones, lambda place: (place.table, place.register) in self._apart),
            *([place] for place in items if place in self._pieces),
        ]

    def part(self, group: Sequence[Place], second: Sequence[Place]) -> None:
        self._apart[(second[0].table, second[0].register)] = time.monotonic() + PARTS_SECONDS

    async def ask(self, group: Sequence[Place]) -> dict[Place, Value | Refusal]:
        first = group[0]
        if len(group) == 1:
            return {first: _decoded(first, await self._whole(first))}
        count = max(place.end for place in group) - first.register
        held = await self._request(first.table, first.register, count)
        return {
            place: _decoded(
                place, held[place.register - first.register : place.end - first.register]
            )
            for place in group
        }

    async def _whole(self, place: Place) -> Sequence[int]:
        """In as large pieces as the device gives, none smaller than a number."""
        size = self._pieces.get(place, place.length)
        while True:
            try:
                held = [
                    value
                    for start in range(place.register, place.end, size)
                    for value in await self._request(
                        place.table, start, min(size, place.end - start)
                    )
                ]
            except Declined as trouble:
                if size <= place.unit or isinstance(trouble, Unavailable):
                    self._pieces.pop(place, None)
                    raise
                size = max(place.unit, size // 2 // place.unit * place.unit)
            else:
                if size < place.length:
                    self._pieces[place] = size
                return held


def _decoded(place: Place, held: Sequence[int]) -> Value | Refusal:
    try:
        return place.decode(held)
    except (ValueError, ArithmeticError) as trouble:
        return Refusal(f"its registers make no sense: {trouble}")


class ModbusLine(Line):
    """One connection to one unit."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        from pymodbus import FramerType
        from pymodbus.client import AsyncModbusTcpClient

        host = config["host"] if "host" in config or "ip" not in config else config["ip"]
        if not isinstance(host, str) or not host:
            raise ValueError(f"host: {host!r} is no host")
        self._unit = whole(config.get("unit", config.get("slaveID", 1)), "unit", 0, 255)
        self._is_rtu = one_of(config.get("framing", "tcp"), "framing", ("tcp", "rtu")) == "rtu"
        self._client = AsyncModbusTcpClient(
            host,
            port=whole(config.get("port", 502), "port", 1, 0xFFFF),
            framer=FramerType.RTU if self._is_rtu else FramerType.SOCKET,
            timeout=ANSWER_SECONDS,
            retries=0,
            reconnect_delay=0,
        )
        self._reader = RegisterReader(self._read)
        self._places: dict[int, tuple[Property, Place]] = {}

    def check(self, of: Property) -> None:
        place_of(of)

    def _place(self, of: Property) -> Place:
        """Its place, made sense of once."""
        known = self._places.get(id(of))
        if known is None or known[0] is not of:
            if len(self._places) >= MOST_PLACES_KEPT:  # most of them are gone from the cluster
                self._places.clear()
            known = self._places[id(of)] = (of, place_of(of))
        return known[1]

    def text(self, of: Property, value: Value) -> str:
        return text_of(of.model.type.conform(value), self._place(of).digits or None)

    async def _connect(self) -> None:
        if self._client.connected:
            return
        if not await self._client.connect():
            raise Gone("it does not accept a connection")

    # -- reading ---------------------------------------------------------------------------

    async def fetch(self, properties: Sequence[Property]) -> dict[str, Value | Refusal]:
        places = {each.name: self._place(each) for each in properties}
        answers = await self._reader.read(list(places.values()))
        return {name: _placed(answers[place], place) for name, place in places.items()}

    async def _read(self, table: Table, start: int, count: int) -> Sequence[int]:
        client = self._client
        read = {
            Table.COIL: client.read_coils,
            Table.DISCRETE: client.read_discrete_inputs,
            Table.INPUT: client.read_input_registers,
            Table.HOLDING: client.read_holding_registers,
        }[table]
        reply = await self._answer(lambda: read(start, count=count, device_id=self._unit))
        # Bits come in bytes, of which the last one is filled up.
        held: Sequence[int] = reply.bits[:count] if table.is_bits else reply.registers
        if len(held) != count:
            if self._is_rtu:  # what follows may be the rest of it
                client.close()
            raise Declined(f"it gave {len(held)} for {count}")
        return held

    async def _answer(self, request: Callable[[], Awaitable[Any]]) -> Any:
        """The reply to one request; Declined if it is an exception, Gone if there is none."""
        from pymodbus import ModbusException

        await self._connect()
        try:
            reply = await request()
        except (ModbusException, OSError, TimeoutError) as trouble:
            self._client.close()
            raise Silent(str(trouble)) from trouble
        except BaseException:  # its answer may come yet, and RTU does not say to what
            self._client.close()
            raise
        if reply.isError():
            raise declined(int(reply.exception_code))
        return reply

    # -- writing ---------------------------------------------------------------------------

    async def put(self, to: Property, value: Value) -> None:
        place = self._place(to)
        if not place.table.is_writable:
            raise Declined(f"{place}: a {place.table.value} cannot be written")
        registers = place.encode(value)
        if len(registers) > (most := MOST_WRITTEN[place.table]):
            raise Declined(f"{place}: one write holds no more than {most}")
        request = self._coils if place.table.is_bits else self._registers
        try:
            await self._answer(lambda: request(place.register, registers))
        except Declined as trouble:
            raise Declined(f"{place}: {trouble}") from trouble

    def _registers(self, start: int, values: list[int]) -> Awaitable[Any]:
        if len(values) == 1:
            return self._client.write_register(start, values[0], device_id=self._unit)
        return self._client.write_registers(start, values, device_id=self._unit)

    def _coils(self, start: int, values: list[int]) -> Awaitable[Any]:
        bits = [bool(each) for each in values]
        if len(bits) == 1:
            return self._client.write_coil(start, bits[0], device_id=self._unit)
        return self._client.write_coils(start, bits, device_id=self._unit)

    async def close(self) -> None:
        self._client.close()


def place_of(of: Property) -> Place:
    """ValueError if there is none."""
    return Place.of(of.visitor, of.model.type)


def _placed(answer: Value | Refusal, place: Place) -> Value | Refusal:
    return Refusal(answer.why, str(place)) if isinstance(answer, Refusal) else answer


__all__ = ["MOST_REGISTERS", "ModbusLine", "Place", "RegisterReader", "blocks", "merged"]
