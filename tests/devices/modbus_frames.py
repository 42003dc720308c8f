"""Modbus TCP frames, made and taken apart by hand."""

from __future__ import annotations

import struct
from dataclasses import dataclass


@dataclass(frozen=True)
class Frame:
    """One ADU; `data` is function and what follows it."""

    transaction: int
    data: bytes
    unit: int = 1

    @property
    def bytes(self) -> bytes:
        head = struct.pack(">HHHB", self.transaction, 0, len(self.data) + 1, self.unit)
        return head + self.data


def frames(stream: bytes) -> list[Frame]:
    """What a stream consists of, whole frames only."""
    found = []
    while stream:
        transaction, protocol, length, unit = struct.unpack(">HHHB", stream[:7])
        assert protocol == 0
        assert len(stream) >= 6 + length
        found.append(Frame(transaction, stream[7 : 6 + length], unit))
        stream = stream[6 + length :]
    return found


def read(start: int = 0, count: int = 2, function: int = 3) -> bytes:
    return struct.pack(">BHH", function, start, count)


def write(value: int, address: int = 100, function: int = 6) -> bytes:
    return struct.pack(">BHH", function, address, value)


def write_more(start: int, *values: int) -> bytes:
    return struct.pack(f">BHHB{len(values)}H", 16, start, len(values), 2 * len(values), *values)


def read_and_write(start: int, count: int, into: int, *values: int) -> bytes:
    head = struct.pack(">BHHHHB", 23, start, count, into, len(values), 2 * len(values))
    return head + struct.pack(f">{len(values)}H", *values)


REFUSED = {
    "23, nothing to read there": (read_and_write(200, 1, 100, 655), 2),
    "23, read beyond the block": (read_and_write(9, 2, 100, 655), 2),
    "23, too many to read": (read_and_write(0, 126, 100, 655), 3),
    "23, none to read": (read_and_write(0, 0, 100, 655), 3),
    "23, nothing to write there": (read_and_write(0, 2, 200, 655), 2),
    "23, read-only": (read_and_write(0, 2, 2, 655), 2),
    "23, partly read-only": (read_and_write(0, 2, 99, 655, 655), 2),
    "23, out of bounds": (read_and_write(0, 2, 100, 10), 3),
    "23, byte count": (read_and_write(0, 2, 100, 655)[:-3] + b"\3\2\x8f", 3),
    "23, cut": (read_and_write(0, 2, 100, 655)[:8], 3),
    "16, partly read-only": (write_more(99, 655, 655), 2),
    "16, partly not there": (write_more(100, 655, 655), 2),
    "16, byte count": (b"\x10\0\x64\0\1\4\2\x8f\2\x8f", 3),
    "16, none": (b"\x10\0\x64\0\0\0", 3),
    "15, partly not there": (b"\x0f\0\x0f\0\2\1\3", 2),
    "15, byte count": (b"\x0f\0\0\0\x09\1\xff", 3),
    "15, none": (b"\x0f\0\0\0\0\0", 3),
    "22, read-only": (b"\x16\0\2\0\0\2\x8f", 2),
    "22, not there": (b"\x16\0\x50\0\0\2\x8f", 2),
    "22, out of bounds": (b"\x16\0\x64\0\0\0\x0a", 3),
    "6, not there": (write(655, 101), 2),
    "5, not there": (write(0xFF00, 16, 5), 2),
}
"""Writes that cannot be done whole, and the codes that they are refused with."""

NOT_SERVED = [
    b"\x07",
    b"\x0b",
    b"\x0c",
    b"\x11",
    b"\x14\7\6\0\4\0\1\0\2",
    b"\x15\x09\6\0\4\0\7\0\1\6\xaf",
    b"\x18\0\0",
    b"\x08\0\4\0\0",
    b"\x08\0\x63\0\0",
    b"\x08\0\x0a\0\0",
    b"\x2b\x0d\0\0",
    b"\x2b\x0f\1\0",
    b"\x09\0",
    b"\x41\1\2\3",
    b"\x64",
    b"\x7f",
    b"\x80\1",
    b"\x83\0\0\0\1",
    b"\xff",
    b"\x00\1\2",
]
"""Requests of functions, sub-functions and MEI types that are not served."""
