"""What can befall frames on their way through one direction of a link.

A stage takes flights and gives flights: it may take frames out, split a flight, move its
time, or add to it.  The forwarding loop knows flights and not stages, so a new fault is a
new stage in `build`, and a field in `DirectionState`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from lab.fabric.arena import Arena, Run, count
from lab.fabric.dice import Dice
from lab.fabric.state import Counters, DirectionState, Mode, Reason

NS_PER_MS = 1_000_000
_NEVER = 2.0**62


class Flight(NamedTuple):
    """Frames of one arena that may go on at `due` (monotonic clock, nanoseconds)."""

    due: int
    runs: list[Run]


class Tally:
    """Counts frames of one direction; `counters()` is the picture of a moment."""

    __slots__ = ("dropped", "forwarded", "frames", "in_flight", "octets")

    def __init__(self) -> None:
        self.frames = 0
        self.octets = 0
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
            forwarded=self.forwarded,
            in_flight=self.in_flight,
            dropped=dict(self.dropped),
        )


class Stage(Protocol):
    """One thing that befalls frames."""

    name: str

    @property
    def memory(self) -> int | None:
        """What it keeps from frame to frame, for a checkpoint."""
        ...

    def apply(self, flights: list[Flight], arena: Arena, tally: Tally) -> list[Flight]:
        """The flights that go on; frames that do not are put into `tally`."""
        ...


class Gate:
    """Lets nothing pass: the cable is out, or frames vanish."""

    name = "gate"
    memory = None

    def __init__(self, reason: Reason) -> None:
        self._reason = reason

    def apply(self, flights: list[Flight], arena: Arena, tally: Tally) -> list[Flight]:
        for flight in flights:
            tally.drop(self._reason, count(flight.runs))
        return []


class Loss:
    """Loses each frame with the same probability, independently.

    It draws how many frames pass until the next one is lost (a geometric distribution),
    so the dice are thrown once for each lost frame and not for each frame.
    """

    name = "loss"

    def __init__(self, probability: float, dice: Dice, gap: int | None = None) -> None:
        self._log_pass = -math.inf if probability >= 1 else math.log1p(-probability)
        self._dice = dice
        self._gap = self._draw() if gap is None else gap

    @property
    def memory(self) -> int:
        """Frames that still pass before the next one is lost."""
        return self._gap

    def _draw(self) -> int:
        return int(min(math.log1p(-self._dice.random()) / self._log_pass, _NEVER))

    def apply(self, flights: list[Flight], arena: Arena, tally: Tally) -> list[Flight]:
        passed = []
        for flight in flights:
            runs = self._survivors(flight.runs, tally)
            if runs:
                passed.append(Flight(flight.due, runs))
        return passed

    def _survivors(self, runs: list[Run], tally: Tally) -> list[Run]:
        survivors: list[Run] = []
        for start, stop in runs:
            at = start
            while stop - at > self._gap:
                lost = at + self._gap
                if lost > at:
                    survivors.append((at, lost))
                tally.drop(Reason.LOSS, 1)
                at = lost + 1
                self._gap = self._draw()
            if stop > at:
                survivors.append((at, stop))
                self._gap -= stop - at
        return survivors


class Delay:
    """Adds a fixed time to the way of each frame."""

    name = "delay"
    memory = None

    def __init__(self, milliseconds: float) -> None:
        self._ns = math.ceil(milliseconds * NS_PER_MS)

    def apply(self, flights: list[Flight], arena: Arena, tally: Tally) -> list[Flight]:
        return [Flight(flight.due + self._ns, flight.runs) for flight in flights]


def build(
    state: DirectionState, dice: Callable[[str], Dice], memory: Mapping[str, int]
) -> list[Stage]:
    """The stages for `state`, in the order in which frames meet them.

    `dice` gives each stage the random numbers of its own name, so that one fault does not
    change the dice of another; `memory` is what stages of these names had kept.
    """
    if state.mode is Mode.CUT:
        return [Gate(Reason.CUT)]
    if state.mode is Mode.DROP:
        return [Gate(Reason.DROP)]
    stages: list[Stage] = []
    if state.loss:
        stages.append(Loss(state.loss, dice(Loss.name), memory.get(Loss.name)))
    if state.delay_ms:
        stages.append(Delay(state.delay_ms))
    return stages
