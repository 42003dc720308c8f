"""What stages work on: frames under way, and the count of what became of them."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from edge_lab.fabric.arena import Arena, Run
from edge_lab.fabric.counters import Counters, Reason
from edge_lab.fabric.snapshots import Memory

TICK_NS = 100_000
"""Due times are rounded up to this, so that frames close together leave together."""


class Flight(NamedTuple):
    """Frames of one arena that may go on at `due` (monotonic clock, nanoseconds).

    A frame that is there twice is the same slot twice.
    """

    due: int
    arena: Arena
    runs: list[Run]
    holds: bool = False
    """Whether `arena` is held for this flight alone, to be let go when it has gone on."""


class Tally:
    """Counts frames of one direction; `counters()` is the picture of a moment."""

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
    """One thing that befalls frames."""

    name: str

    def memory(self, now: int) -> Memory | None:
        """What it keeps from frame to frame, for a checkpoint at `now` (ns)."""
        ...

    def apply(self, flights: list[Flight], tally: Tally) -> list[Flight]:
        """The flights that go on; frames that do not are put into `tally`."""
        ...


class Filter:
    """A stage that takes frames out and does nothing else."""

    def memory(self, now: int) -> Memory | None:
        return None

    def apply(self, flights: list[Flight], tally: Tally) -> list[Flight]:
        passed = []
        for flight in flights:
            runs = self.passing(flight.arena, flight.runs, tally)
            if runs:
                passed.append(Flight(flight.due, flight.arena, runs))
        return passed

    def passing(self, arena: Arena, runs: list[Run], tally: Tally) -> list[Run]:
        """Those of `runs` that pass; the others are put into `tally`."""
        raise NotImplementedError
