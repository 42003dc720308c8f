"""What an ELF program needs to be started: its interpreter, and its libraries by name.

64 bits, little endian, as all architectures of the lab are. Format: ELF-64 Object File Format,
version 1.5, sections 2 (headers), 5 (segments) and 7.3 (the dynamic table).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from edge_lab.core.errors import LabError

_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SEGMENT = struct.Struct("<IIQQQQQQ")
_ENTRY = struct.Struct("<QQ")
_LOAD, _DYNAMIC, _INTERPRETER = 1, 2, 3
_END, _NEEDED, _STRINGS = 0, 1, 5
_MAGIC = b"\x7fELF\x02\x01"


@dataclass(frozen=True)
class Needs:
    """All empty for a program that is linked statically."""

    interpreter: str
    """Path of the loader, as the program has it."""
    libraries: tuple[str, ...]


def elf_needs(content: bytes) -> Needs:
    """What the program or library with that content needs.

    Raises:
        LabError: it is no ELF file of 64 bits, or a damaged one.
    """
    if not content.startswith(_MAGIC):
        raise LabError("not an ELF file of 64 bits, little endian")
    try:
        return _needs(content)
    except (struct.error, ValueError, UnicodeDecodeError) as trouble:
        raise LabError(f"a damaged ELF file: {trouble}") from trouble


@dataclass(frozen=True)
class _Segment:
    kind: int
    offset: int
    address: int
    size: int


def _needs(content: bytes) -> Needs:
    segments = _segments(content)
    interpreter = ""
    dynamic: list[tuple[int, int]] = []
    for segment in segments:
        if segment.kind == _INTERPRETER:
            raw = content[segment.offset : segment.offset + segment.size]
            interpreter = raw.rstrip(b"\0").decode()
        elif segment.kind == _DYNAMIC:
            dynamic = list(_dynamic(content, segment))
    names = [value for tag, value in dynamic if tag == _NEEDED]
    if not names:
        return Needs(interpreter, ())
    table = next((value for tag, value in dynamic if tag == _STRINGS), None)
    if table is None:
        raise ValueError("libraries without a table of their names")
    start = _offset_of(table, segments)
    return Needs(interpreter, tuple(_text(content, start + name) for name in names))


def _segments(content: bytes) -> tuple[_Segment, ...]:
    header = _HEADER.unpack_from(content)
    first, size, count = header[5], header[9], header[10]
    found = []
    for number in range(count):
        fields = _SEGMENT.unpack_from(content, first + number * size)
        kind, _, offset, address, _, stored, _, _ = fields
        found.append(_Segment(kind, offset, address, stored))
    return tuple(found)


def _dynamic(content: bytes, segment: _Segment) -> list[tuple[int, int]]:
    found = []
    for place in range(segment.offset, segment.offset + segment.size, _ENTRY.size):
        tag, value = _ENTRY.unpack_from(content, place)
        if tag == _END:
            break
        found.append((tag, value))
    return found


def _offset_of(address: int, segments: tuple[_Segment, ...]) -> int:
    for segment in segments:
        if segment.kind == _LOAD and 0 <= address - segment.address < segment.size:
            return address - segment.address + segment.offset
    raise ValueError(f"no segment holds the address {address:#x}")


def _text(content: bytes, start: int) -> str:
    end = content.index(b"\0", start)
    return content[start:end].decode()
