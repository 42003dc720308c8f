"""A Modbus device of a test: small, strict, and as wayward as a test wants it. Modbus TCP."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

COILS, DISCRETE, HOLDING, INPUT = 1, 2, 3, 4
"""Function codes of reads name the tables."""

SILENCE = -1

Tables = dict[int, dict[int, int]]


@dataclass
class ModbusDevice:
    """`tables` by function code and address; what is not in them is not there."""

    tables: Tables = field(default_factory=dict)
    code: int = 2
    """The exception for what is not there."""
    most: int = 125
    """Registers that one read may ask for."""
    too_long: int = 3
    """The exception for more than that."""
    borders: frozenset[int] = frozenset()
    """Registers that no read may go across."""
    always: int = 0
    """An exception for every request."""
    short: bool = False
    """Gives no more than `most`, and no exception."""
    silent: frozenset[int] = frozenset()
    """Registers of which it says nothing at all: no answer to a read of them."""
    unwritable: dict[int, int] = field(default_factory=dict)
    """By address, the exception for writing there."""
    reads: list[tuple[int, int, int]] = field(default_factory=list)
    """Function code, first, and count of each read."""
    writes: list[tuple[int, int, list[int]]] = field(default_factory=list)
    port: int = 0

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[ModbusDevice]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readexactly(8)
                transaction, _, length, unit, function = struct.unpack(">HHHBB", head)
                body = await reader.readexactly(length - 2)
                code, data = self._answer(function, body)
                if code == SILENCE:
                    continue
                pdu = bytes([function | 0x80, code]) if code else bytes([function]) + data
                writer.write(struct.pack(">HHHB", transaction, 0, len(pdu) + 1, unit) + pdu)
        writer.close()

    def _answer(self, function: int, body: bytes) -> tuple[int, bytes]:
        if function in (COILS, DISCRETE, HOLDING, INPUT):
            first, count = struct.unpack(">HH", body)
            self.reads.append((function, first, count))
            return self._read(function, first, count)
        found = _WRITES[function](body)
        address, values = found
        table = COILS if function in (5, 15) else HOLDING
        for offset in range(len(values)):
            if address + offset in self.unwritable:
                return self.unwritable[address + offset], b""
            if address + offset not in self.tables.get(table, {}):
                return self.code, b""
        if self.always:
            return self.always, b""
        self.writes.append((function, address, values))
        self.tables[table].update(enumerate(values, address))
        return 0, body[:4]

    def _read(self, function: int, first: int, count: int) -> tuple[int, bytes]:
        if self.always:
            return self.always, b""
        if self.silent & set(range(first, first + count)):
            return SILENCE, b""
        if count > self.most and not self.short:
            return self.too_long, b""
        if any(first < border < first + count for border in self.borders):
            return self.code, b""
        table = self.tables.get(function, {})
        addresses = range(first, first + min(count, self.most))
        if any(address not in table for address in addresses):
            return self.code, b""
        values = [table[address] for address in addresses]
        if function in (HOLDING, INPUT):
            data = struct.pack(f">{len(values)}H", *values)
        else:
            bits = sum(value << place for place, value in enumerate(values))
            data = bits.to_bytes((len(values) + 7) // 8, "little")
        return 0, bytes([len(data)]) + data


def _one_coil(body: bytes) -> tuple[int, list[int]]:
    address, value = struct.unpack(">HH", body)
    return address, [{0xFF00: 1, 0: 0}[value]]


def _one_register(body: bytes) -> tuple[int, list[int]]:
    address, value = struct.unpack(">HH", body)
    return address, [value]


def _coils(body: bytes) -> tuple[int, list[int]]:
    address, count, _ = struct.unpack(">HHB", body[:5])
    bits = int.from_bytes(body[5:], "little")
    return address, [bits >> place & 1 for place in range(count)]


def _registers(body: bytes) -> tuple[int, list[int]]:
    address, count, _ = struct.unpack(">HHB", body[:5])
    return address, list(struct.unpack(f">{count}H", body[5:]))


_WRITES: dict[int, Callable[[bytes], tuple[int, list[int]]]] = {
    5: _one_coil,
    6: _one_register,
    15: _coils,
    16: _registers,
}
