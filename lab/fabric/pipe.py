"""One direction of one link: its state, its stages, its dice and its counters."""

from __future__ import annotations

from collections.abc import Mapping

from lab.fabric.arena import Arena, Run, count, first
from lab.fabric.dice import Dice
from lab.fabric.stages import Flight, Stage, Tally, build
from lab.fabric.state import (
    CLEAR,
    Direction,
    DirectionState,
    Mode,
    PipeSnapshot,
    Reason,
)

QUEUE_FRAMES = 32_768
"""Most frames that wait in one direction; what comes on top is dropped as overflow."""

_GATES = {Mode.CUT: Reason.CUT, Mode.DROP: Reason.DROP}


class Pipe:
    """What happens to frames in one direction of a link. `clear` means nothing does."""

    __slots__ = (
        "_dice",
        "_seed",
        "_stages",
        "clear",
        "direction",
        "gate",
        "link",
        "state",
        "tally",
    )

    def __init__(self, link: str, direction: Direction, seed: int) -> None:
        self.link = link
        self.direction = direction
        self.tally = Tally()
        self.reseed(seed)
        self.set(CLEAR)

    def reseed(self, seed: int) -> None:
        """Begins the random numbers of `seed`; `set` or `restore` must follow."""
        self._seed = seed
        self._dice: dict[str, Dice] = {}

    def set(self, state: DirectionState) -> None:
        """Puts `state` in force for every frame from now on."""
        self._build(state, {})

    def restore(self, snapshot: PipeSnapshot) -> None:
        """Goes on where `snapshot` was taken, with the same seed."""
        for stage, position in snapshot.positions.items():
            self._stage_dice(stage).seek(position)
        self._build(snapshot.state, snapshot.memory)

    def snapshot(self) -> PipeSnapshot:
        return PipeSnapshot(
            state=self.state,
            positions={stage: dice.position for stage, dice in self._dice.items()},
            memory={stage.name: stage.memory for stage in self._stages if stage.memory is not None},
        )

    def _build(self, state: DirectionState, memory: Mapping[str, int]) -> None:
        self.state = state
        self._stages: list[Stage] = build(state, self._stage_dice, memory)
        self.clear = not self._stages
        self.gate: Reason | None = _GATES.get(state.mode)

    def _stage_dice(self, stage: str) -> Dice:
        if stage not in self._dice:
            self._dice[stage] = Dice(self._seed, self.link, self.direction.value, stage)
        return self._dice[stage]

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
