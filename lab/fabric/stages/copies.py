"""Stages that make more of frames, or something else."""

from __future__ import annotations

from edge_lab.fabric.arena import Arena, ArenaPool, Run, join
from edge_lab.fabric.dice import Dice
from edge_lab.fabric.headers import ETHERNET
from edge_lab.fabric.stages.chances import Chosen
from edge_lab.fabric.stages.flight import Flight, Tally


class Clipboard:
    """Room for frames that differ from what was received.

    A received frame may go to several receivers, or twice to one, and lies in one slot for
    all of them; so it is copied before it is changed.
    """

    def __init__(self, pool: ArenaPool) -> None:
        self._pool = pool
        self._arena: Arena | None = None

    def copy(self, frame: memoryview) -> tuple[Arena, Run]:
        """A copy of `frame`, in an arena that is held for it."""
        arena = self._arena
        if arena is not None and not arena.held:
            arena.reset()
        if arena is not None and not arena.free:
            arena.filling = False
            arena = None
        if arena is None:
            arena = self._arena = self._pool.take()
        arena.held += 1
        return arena, arena.put(frame)


class Duplicate(Chosen):
    """Frames come twice; the copy follows at once."""

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
            doubled.append(Flight(flight.due, flight.arena, runs))
        return doubled


class Corrupt(Chosen):
    """Flips one bit of a frame, any behind its Ethernet header; nothing if there is none."""

    name = "corrupt"

    def __init__(
        self, probability: float, dice: Dice, gap: int | None, clipboard: Clipboard
    ) -> None:
        super().__init__(probability, dice, gap)
        self._dice = dice
        self._clipboard = clipboard

    def apply(self, flights: list[Flight], tally: Tally) -> list[Flight]:
        going = []
        for flight in flights:
            runs: list[Run] = []
            for run, chosen in self.parted(flight.runs):
                bits = 8 * (flight.arena.lengths[run[0]] - ETHERNET)
                if not chosen or bits <= 0:
                    join(runs, [run])
                    continue
                if runs:
                    going.append(Flight(flight.due, flight.arena, runs))
                    runs = []
                going.append(self._flipped(flight, run[0], bits))
                tally.corrupted += 1
            if runs:
                going.append(Flight(flight.due, flight.arena, runs))
        return going

    def _flipped(self, flight: Flight, slot: int, bits: int) -> Flight:
        at, bit = divmod(int(self._dice.random() * bits), 8)
        arena, run = self._clipboard.copy(flight.arena.frame(slot))
        arena.frame(run[0])[ETHERNET + at] ^= 1 << bit
        return Flight(flight.due, arena, [run], holds=True)
