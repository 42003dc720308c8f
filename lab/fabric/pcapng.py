"""Captures in the pcapng format (draft-ietf-opsawg-pcapng): writing and parsing of blocks.

python-pcapng, the maintained library, builds an object and walks a schema for each packet
(see `tests/fabric/test_pcapng.py`, which reads these files back with it); that is too slow
beside a forwarding loop.  The four block types needed here are short.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from edge_lab.fabric.state import Direction

_BLOCK = struct.Struct("<II")
_PACKET = struct.Struct("<IIIIIII")
_LENGTH = struct.Struct("<I")
_OPTION = struct.Struct("<HH")
_COUNT = struct.Struct("<Q")

SECTION_HEADER = 0x0A0D0D0A
INTERFACE = 1
STATISTICS = 5
ENHANCED_PACKET = 6
_BYTE_ORDER = 0x1A2B3C4D
_LINKTYPE_ETHERNET = 1
_NANOSECONDS = 9
_RECEIVED, _DROPPED = 4, 5
"""isb_ifrecv and isb_ifdrop."""
_END = _OPTION.pack(0, 0)
_PADDING = (b"", b"\0\0\0", b"\0\0", b"\0")

# epb_flags, bits 0 and 1: 1 inbound, 2 outbound, as the captured interface sees it.
_FLAGS = {
    Direction.RX: _OPTION.pack(2, 4) + struct.pack("<I", 1) + _END,
    Direction.TX: _OPTION.pack(2, 4) + struct.pack("<I", 2) + _END,
}


class Statistics(NamedTuple):
    """The statistics at the end of a capture."""

    received: int
    """Frames that matched the capture."""
    dropped: int
    """Those that were dropped because the reader was too slow."""


def header(interface: str) -> bytes:
    """The header of a capture of one Ethernet interface."""
    section = struct.pack("<IHHq", _BYTE_ORDER, 1, 0, -1) + _option(4, b"edge-lab") + _END
    described = (
        struct.pack("<HHI", _LINKTYPE_ETHERNET, 0, 0)
        + _option(2, interface.encode())
        + _option(9, bytes([_NANOSECONDS]))
        + _END
    )
    return _block(SECTION_HEADER, section) + _block(INTERFACE, described)


def packets(direction: Direction, time_ns: int, frames: Iterable[memoryview]) -> bytes:
    """Frames that were seen at `time_ns` (since 1970)."""
    parts: list[bytes | memoryview] = []
    flags = _FLAGS[direction]
    high, low = time_ns >> 32, time_ns & 0xFFFFFFFF
    for frame in frames:
        size = len(frame)
        padding = _PADDING[size & 3]
        total = 28 + size + len(padding) + len(flags) + 4
        parts.append(_PACKET.pack(ENHANCED_PACKET, total, 0, high, low, size, size))
        parts.append(frame)
        parts.append(padding + flags + _LENGTH.pack(total))
    return b"".join(parts)


def statistics(time_ns: int, counted: Statistics) -> bytes:
    """The last block of a capture."""
    body = struct.pack("<III", 0, time_ns >> 32, time_ns & 0xFFFFFFFF)
    body += _option(_RECEIVED, _COUNT.pack(counted.received))
    body += _option(_DROPPED, _COUNT.pack(counted.dropped))
    return _block(STATISTICS, body + _END)


def blocks(data: bytes | bytearray | memoryview) -> Iterator[tuple[int, int, int]]:
    """The complete blocks at the beginning of `data`: type, start and end of each."""
    at, end = 0, len(data)
    while end - at >= _BLOCK.size:
        kind, total = _BLOCK.unpack_from(data, at)
        if total < 12 or at + total > end:
            return
        yield kind, at, at + total
        at += total


def read_statistics(block: bytes | bytearray | memoryview) -> Statistics:
    """Parses the block that `statistics` has written."""
    found = {_RECEIVED: 0, _DROPPED: 0}
    at = _BLOCK.size + 12
    while at + _OPTION.size <= len(block) - _LENGTH.size:
        code, size = _OPTION.unpack_from(block, at)
        if not code:
            break
        if code in found and size == _COUNT.size:
            (found[code],) = _COUNT.unpack_from(block, at + _OPTION.size)
        at += _OPTION.size + size + len(_PADDING[size & 3])
    return Statistics(found[_RECEIVED], found[_DROPPED])


def _option(code: int, value: bytes) -> bytes:
    return _OPTION.pack(code, len(value)) + value + _PADDING[len(value) & 3]


def _block(kind: int, body: bytes) -> bytes:
    total = len(body) + 12
    return _BLOCK.pack(kind, total) + body + _LENGTH.pack(total)
