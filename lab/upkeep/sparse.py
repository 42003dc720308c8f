"""Sparse files in a tar, in the format "PAX 1.0", which tarfile can read but not write.

A root disk of 2 GiB has data in a third of it. The format is in the manual of GNU tar, "Storing
Sparse Files": https://www.gnu.org/software/tar/manual/html_node/PAX-1.html
"""

from __future__ import annotations

import errno
import io
import os
import tarfile
from collections.abc import Iterator
from typing import BinaryIO

_BLOCK = 512

Extent = tuple[int, int]
"""Offset and length of data, bytes."""


def extents(file: BinaryIO) -> list[Extent]:
    """The data of the file; all of it if the file system does not support holes."""
    end = os.fstat(file.fileno()).st_size
    found: list[Extent] = []
    position = 0
    while position < end:
        try:
            begin = os.lseek(file.fileno(), position, os.SEEK_DATA)
            position = os.lseek(file.fileno(), begin, os.SEEK_HOLE)
        except OSError as trouble:
            if trouble.errno == errno.ENXIO:  # only a hole from here on
                break
            raise
        found.append((begin, position - begin))
    os.lseek(file.fileno(), 0, os.SEEK_SET)
    return found


def add_file(tar: tarfile.TarFile, name: str, file: BinaryIO, size: int, mode: int) -> None:
    """Adds the file's first `size` bytes as the member `name`, without its holes."""
    data = extents(file)
    entry = tarfile.TarInfo(name)
    entry.mode = mode
    if sum(length for _, length in data) + _BLOCK >= size:
        entry.size = size
        tar.addfile(entry, file)
        return
    if not data or sum(data[-1]) < size:
        data.append((size, 0))  # marks the end
    lines = "".join(
        f"{number}\n" for number in (len(data), *(n for extent in data for n in extent))
    )
    head = lines.encode().ljust(-(-len(lines) // _BLOCK) * _BLOCK, b"\0")
    entry.size = len(head) + sum(length for _, length in data)
    entry.pax_headers = {
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.name": name,
        "GNU.sparse.realsize": str(size),
    }
    tar.addfile(entry, _Pieces(head, file, data))


class _Pieces(io.RawIOBase):
    """Reads the header, then the data between the holes, without gaps."""

    def __init__(self, head: bytes, file: BinaryIO, data: list[Extent]) -> None:
        self._parts = self._read_parts(head, file, data)
        self._rest = b""

    @staticmethod
    def _read_parts(head: bytes, file: BinaryIO, data: list[Extent]) -> Iterator[bytes]:
        yield head
        for offset, length in data:
            file.seek(offset)
            left = length
            while left and (chunk := file.read(min(left, 1 << 20))):
                left -= len(chunk)
                yield chunk

    def read(self, size: int = -1) -> bytes:
        while size < 0 or len(self._rest) < size:
            part = next(self._parts, None)
            if part is None:
                break
            self._rest += part
        size = len(self._rest) if size < 0 else size
        given, self._rest = self._rest[:size], self._rest[size:]
        return given


def is_sound(member: tarfile.TarInfo) -> bool:
    """Whether the pieces of a member follow one another and end within its size."""
    position = 0
    pieces: list[Extent] = getattr(member, "sparse", None) or []
    for offset, length in pieces:
        if offset < position or length < 0:
            return False
        position = offset + length
    return position <= member.size
