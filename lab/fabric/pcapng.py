"""Writes captures in the pcapng format (draft-ietf-opsawg-pcapng).

python-pcapng, the maintained library, builds an object and walks a schema for each packet
(see `tests/fabric/test_pcapng.py`, which reads these files back with it); that is too slow
beside a forwarding loop.  The three block types needed here are short.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable
from pathlib import Path

from edge_lab.fabric.state import Direction

_BLOCK = struct.Struct("<II")
_PACKET = struct.Struct("<IIIIIII")
_LENGTH = struct.Struct("<I")
_OPTION = struct.Struct("<HH")

_SECTION_HEADER = 0x0A0D0D0A
_INTERFACE = 1
_ENHANCED_PACKET = 6
_BYTE_ORDER = 0x1A2B3C4D
_LINKTYPE_ETHERNET = 1
_NANOSECONDS = 9
_END = _OPTION.pack(0, 0)
_PADDING = (b"", b"\0\0\0", b"\0\0", b"\0")

# epb_flags, bits 0 and 1: 1 inbound, 2 outbound, as the captured interface sees it.
_FLAGS = {
    Direction.RX: _OPTION.pack(2, 4) + struct.pack("<I", 1) + _END,
    Direction.TX: _OPTION.pack(2, 4) + struct.pack("<I", 2) + _END,
}


class PcapngWriter:
    """One capture file with one Ethernet interface.

    Each `write` ends with whole blocks in the file, so a file is readable at any time,
    also after the process was killed.
    """

    def __init__(self, path: Path, interface: str) -> None:
        """Makes or replaces `path`; OSError if that cannot be done."""
        self.path = path
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        section = struct.pack("<IHHq", _BYTE_ORDER, 1, 0, -1) + _option(4, b"edge-lab") + _END
        described = (
            struct.pack("<HHI", _LINKTYPE_ETHERNET, 0, 0)
            + _option(2, interface.encode())
            + _option(9, bytes([_NANOSECONDS]))
            + _END
        )
        os.write(self._file, _block(_SECTION_HEADER, section) + _block(_INTERFACE, described))

    def write(self, direction: Direction, time_ns: int, frames: Iterable[memoryview]) -> None:
        """Adds frames that were seen at `time_ns` (since 1970); OSError on a full disk."""
        parts: list[bytes | memoryview] = []
        flags = _FLAGS[direction]
        high, low = time_ns >> 32, time_ns & 0xFFFFFFFF
        for frame in frames:
            size = len(frame)
            padding = _PADDING[size & 3]
            total = 28 + size + len(padding) + len(flags) + 4
            parts.append(_PACKET.pack(_ENHANCED_PACKET, total, 0, high, low, size, size))
            parts.append(frame)
            parts.append(padding + flags + _LENGTH.pack(total))
        data = memoryview(b"".join(parts))
        while data:
            data = data[os.write(self._file, data) :]

    def close(self) -> None:
        os.close(self._file)


def _option(code: int, value: bytes) -> bytes:
    return _OPTION.pack(code, len(value)) + value + _PADDING[len(value) & 3]


def _block(kind: int, body: bytes) -> bytes:
    total = len(body) + 12
    return _BLOCK.pack(kind, total) + body + _LENGTH.pack(total)
