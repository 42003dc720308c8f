"""Writes a capture block by block, and counts the frames that are really written."""

from __future__ import annotations

from enum import StrEnum

from edge_lab.fabric.output import Files, ReaderGoneError, StalledError
from edge_lab.fabric.pcapng import (
    ENHANCED_PACKET,
    INTERFACE,
    SECTION_HEADER,
    STATISTICS,
    Statistics,
    blocks,
    read_statistics,
)


class Ended(StrEnum):
    """Why a capture has ended."""

    ASKED = "asked"
    """Stopped by its owner, or by `lab capture --stop`."""
    FULL = "full"
    """It has reached its maximum size."""
    READER_GONE = "reader gone"
    STALLED = "stalled"
    """It was stopped, and the reader of its pipe took no more."""
    FAILED = "failed"
    """It cannot be written, for example because the disk is full."""
    FABRIC_GONE = "fabric gone"


class Over(Exception):
    """Nothing more can be written."""

    def __init__(self, ended: Ended, trouble: str = "") -> None:
        super().__init__(trouble)
        self.ended = ended
        self.trouble = trouble


class Recorder:
    """Receives the bytes of a capture as they arrive."""

    def __init__(self, files: Files, wake: int) -> None:
        """`wake` becomes readable when the reader of a pipe is no longer waited for."""
        self.frames = 0
        """Complete frames written, in all files."""
        self.statistics: Statistics | None = None
        """The statistics at the end of the capture."""
        self._files = files
        self._wake = wake
        self._head = b""
        """The header of each file."""
        self._in_file = 0
        self._rest = b""
        """The received part of an incomplete block."""

    def take(self, data: bytes) -> None:
        """Writes the complete blocks received so far; Over if that is impossible."""
        data = self._rest + data if self._rest else data
        self._rest = b""
        try:
            done = self._write_all(memoryview(data))
        except Over:
            self.skim(data)
            raise
        self._rest = data[done:]

    def skim(self, data: bytes) -> None:
        """Writes no more, and only looks for the statistics."""
        data = self._rest + data
        done = 0
        for kind, start, stop in blocks(data):
            if kind == STATISTICS:
                self.statistics = read_statistics(data[start:stop])
            done = stop
        self._rest = data[done:]

    def _write_all(self, data: memoryview) -> int:
        start = stop = frames = 0
        for kind, begins, ends in blocks(data):
            if kind == ENHANCED_PACKET:
                if not self._fits(ends - start, frames):
                    self._write(data[start:begins], frames)
                    start, frames = begins, 0
                    self._next_file()
                frames += 1
            else:
                self._note(kind, data[begins:ends])
            stop = ends
        self._write(data[start:stop], frames)
        return stop

    def _note(self, kind: int, block: memoryview) -> None:
        if kind in (SECTION_HEADER, INTERFACE):
            self._head += block
        elif kind == STATISTICS:
            self.statistics = read_statistics(block)

    def _fits(self, size: int, frames: int) -> bool:
        room = self._files.room
        return room is None or size <= room or not (frames or self._in_file)

    def _next_file(self) -> None:
        if not self._files.is_ring:
            raise Over(Ended.FULL)
        self._files.next()
        self._in_file = 0
        self._write(memoryview(self._head), 0)

    def _write(self, data: memoryview, frames: int) -> None:
        if not data:
            return
        output = self._files.output
        size, trouble = output.write(data, self._wake)
        if trouble is not None:
            size, frames = _whole(data, size)
            output.cut_to(output.written + size)
        else:
            output.written += size
        self.frames += frames
        self._in_file += frames
        self._files.count(frames)
        if isinstance(trouble, ReaderGoneError):
            raise Over(Ended.READER_GONE)
        if isinstance(trouble, StalledError):
            raise Over(Ended.STALLED)
        if trouble is not None:
            raise Over(Ended.FAILED, getattr(trouble, "strerror", None) or str(trouble))


def _whole(data: memoryview, size: int) -> tuple[int, int]:
    """Size of the complete blocks in the first `size` bytes, and the number of their frames."""
    done = frames = 0
    for kind, _, stop in blocks(data[:size]):
        done = stop
        frames += kind == ENHANCED_PACKET
    return done, frames
