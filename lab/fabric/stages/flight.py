"""The data that stages work on: frames in transit, and their counters."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from edge_lab.fabric.counters import Counters, Reason
from edge_lab.fabric.framebuffer import FrameBuffer, Run
from edge_lab.fabric.snapshots import Memory

TICK_NS = 100_000
"""Due times are rounded up to this, so that frames close together leave together."""


class Flight(NamedTuple):
    """Frames of one buffer that are forwarded at `due` (monotonic clock, nanoseconds).

    A duplicated frame is the same slot twice.
    """

    due: int
    buffer: FrameBuffer
    runs: list[Run]
    holds: bool = False
    """Whether `buffer` is held for this flight alone, and released with it."""


class Tally:
    """Counts frames of one direction; `counters()` is a snapshot."""

    __slots__ = ("copies", "corrupted", "dropped", "forwarded", "frames", "in_flight", "octets")

    def __init__(self) -> None:
        self.frames = 0
        self.octets = 0
        self.copies = 0
        self.corrupted = 0
        self.forwarded = 0
        self.in_flight = 0
        self.dropped: dict[Reason, int] = {}

    def drop(self, reason: Reason, frames: int) -> None:
        if frames:
            self.dropped[reason] = self.dropped.get(reason, 0) + frames

    def counters(self) -> Counters:
        return Counters(
            frames=self.frames,
            bytes=self.octets,
            copies=self.copies,
            corrupted=self.corrupted,
            forwarded=self.forwarded,
            in_flight=self.in_flight,
            dropped=dict(self.dropped),
        )


class Stage(Protocol):
    """One step in the processing of frames."""

    name: str

    def memory(self, now: int) -> Memory | None:
        """Its state between frames, for a checkpoint at `now` (ns)."""
        ...

    def apply(self, flights: list[Flight], tally: Tally) -> list[Flight]:
        """The flights that are forwarded; dropped frames are counted in `tally`."""
        ...


class Filter:
    """A stage that only drops frames."""

    def memory(self, now: int) -> Memory | None:
        return None

    def apply(self, flights: list[Flight], tally: Tally) -> list[Flight]:
        passed = []
        for flight in flights:
            runs = self.passing(flight.buffer, flight.runs, tally)
            if runs:
                passed.append(Flight(flight.due, flight.buffer, runs))
        return passed

    def passing(self, buffer: FrameBuffer, runs: list[Run], tally: Tally) -> list[Run]:
        """The runs that pass; dropped frames are counted in `tally`."""
        raise NotImplementedError
