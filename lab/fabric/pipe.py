"""One direction of one link: its state, its stages, its dice and its counters."""

from __future__ import annotations

from lab.fabric.arena import Arena, Run, count, first
from lab.fabric.dice import Dice
from lab.fabric.stages import Flight, Loss, Stage, Tally, build
from lab.fabric.state import (
    CLEAR,
    Direction,
    DirectionState,
    Mode,
    PipeSnapshot,
    Reason,
    StreamState,
)

QUEUE_FRAMES = 32_768
"""Most frames that wait in one direction; what comes on top is dropped as overflow."""

_GATES = {Mode.CUT: Reason.CUT, Mode.DROP: Reason.DROP}


class Pipe:
    """What happens to frames in one direction of a link. `clear` means nothing does."""

    __slots__ = ("_dice", "_stages", "clear", "direction", "gate", "link", "state", "tally")

    def __init__(self, link: str, direction: Direction, seed: int) -> None:
        self.link = link
        self.direction = direction
        self.tally = Tally()
        self.reseed(seed)
        self.set(CLEAR)

    def reseed(self, seed: int) -> None:
        """Begins the stream of random numbers of `seed`; `set` must follow."""
        self._dice = Dice(seed, self.link, self.direction.value, "loss")

    def set(self, state: DirectionState, stream: StreamState | None = None) -> None:
        """Puts `state` in force for every frame from now on."""
        if stream is not None:
            self._dice.seek(stream.position)
        self.state = state
        self._stages: list[Stage] = build(
            state, lambda: self._dice, stream.loss_gap if stream else None
        )
        self.clear = not self._stages
        self.gate: Reason | None = _GATES.get(state.mode)

    def snapshot(self) -> PipeSnapshot:
        gap = next((stage.gap for stage in self._stages if isinstance(stage, Loss)), None)
        return PipeSnapshot(
            state=self.state, stream=StreamState(position=self._dice.position, loss_gap=gap)
        )

    def admit(self, arena: Arena, runs: list[Run], now: int) -> list[Flight]:
        """What becomes of frames that enter at `now` (ns), with no regard to the queue."""
        flights = [Flight(now, runs)]
        for stage in self._stages:
            flights = stage.apply(flights, arena, self.tally)
        return flights

    def enqueue(self, flight: Flight) -> list[Run]:
        """The runs of `flight` for which there is room in the queue; the rest is dropped."""
        frames = count(flight.runs)
        room = QUEUE_FRAMES - self.tally.in_flight
        if frames <= room:
            self.tally.in_flight += frames
            return flight.runs
        kept, _ = first(flight.runs, max(0, room))
        self.tally.in_flight += count(kept)
        self.tally.drop(Reason.OVERFLOW, frames - count(kept))
        return kept

    def release(self, runs: list[Run]) -> bool:
        """Takes frames off the queue, their time having come; whether they may go on."""
        frames = count(runs)
        self.tally.in_flight -= frames
        if self.gate is not None:  # cut while they were under way
            self.tally.drop(self.gate, frames)
            return False
        return True
