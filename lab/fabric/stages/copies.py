"""Stages that duplicate or change frames."""

from __future__ import annotations

from edge_lab.fabric.framebuffer import FrameBuffer, FrameBufferPool, Run, join
from edge_lab.fabric.headers import ETHERNET
from edge_lab.fabric.randomstream import RandomStream
from edge_lab.fabric.stages.chances import Chosen
from edge_lab.fabric.stages.flight import Flight, Tally


class Clipboard:
    """Space for frames that differ from what was received.

    A received frame may go to several receivers, or twice to one, and lies in one slot for
    all of them; so it is copied before it is changed.
    """

    def __init__(self, pool: FrameBufferPool) -> None:
        self._pool = pool
        self._buffer: FrameBuffer | None = None

    def copy(self, frame: memoryview) -> tuple[FrameBuffer, Run]:
        """A copy of `frame`, in a buffer that is held for it."""
        buffer = self._buffer
        if buffer is not None and not buffer.held:
            buffer.reset()
        if buffer is not None and not buffer.free:
            buffer.filling = False
            buffer = None
        if buffer is None:
            buffer = self._buffer = self._pool.take()
        buffer.held += 1
        return buffer, buffer.put(frame)


class Duplicate(Chosen):
    """Duplicates frames; the copy follows immediately."""

    name = "duplicate"

    def apply(self, flights: list[Flight], tally: Tally) -> list[Flight]:
        doubled = []
        for flight in flights:
            runs: list[Run] = []
            for run, chosen in self.parted(flight.runs):
                join(runs, [run])
                if chosen:
                    runs.append(run)
                    tally.copies += 1
            doubled.append(Flight(flight.due, flight.buffer, runs))
        return doubled


class Corrupt(Chosen):
    """Flips one bit of a frame after its Ethernet header; has no effect without payload."""

    name = "corrupt"

    def __init__(
        self, probability: float, stream: RandomStream, gap: int | None, clipboard: Clipboard
    ) -> None:
        super().__init__(probability, stream, gap)
        self._stream = stream
        self._clipboard = clipboard

    def apply(self, flights: list[Flight], tally: Tally) -> list[Flight]:
        going = []
        for flight in flights:
            runs: list[Run] = []
            for run, chosen in self.parted(flight.runs):
                bits = 8 * (flight.buffer.lengths[run[0]] - ETHERNET)
                if not chosen or bits <= 0:
                    join(runs, [run])
                    continue
                if runs:
                    going.append(Flight(flight.due, flight.buffer, runs))
                    runs = []
                going.append(self._flipped(flight, run[0], bits))
                tally.corrupted += 1
            if runs:
                going.append(Flight(flight.due, flight.buffer, runs))
        return going

    def _flipped(self, flight: Flight, slot: int, bits: int) -> Flight:
        at, bit = divmod(int(self._stream.random() * bits), 8)
        buffer, run = self._clipboard.copy(flight.buffer.frame(slot))
        buffer.frame(run[0])[ETHERNET + at] ^= 1 << bit
        return Flight(flight.due, buffer, [run], holds=True)
