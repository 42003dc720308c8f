"""One direction of one link: its state, its stages, its dice and its counters."""

from __future__ import annotations

from collections.abc import Mapping

from edge_lab.fabric.arena import Arena, Run, count, first
from edge_lab.fabric.counters import Reason
from edge_lab.fabric.dice import Dice
from edge_lab.fabric.impairment import LONGEST_QUEUE
from edge_lab.fabric.snapshots import Memory, PipeSnapshot
from edge_lab.fabric.stages import Clipboard, Flight, Gate, Rate, Stage, Tally, build
from edge_lab.fabric.state import CLEAR, Direction, DirectionState, Mode

QUEUE_FRAMES = LONGEST_QUEUE
"""Most frames that wait in one direction; what comes on top is dropped as overflow."""


class Pipe:
    """What happens to frames in one direction of a link. `clear` means nothing does."""

    __slots__ = (
        "_clipboard",
        "_dice",
        "_gate",
        "_seed",
        "_stages",
        "clear",
        "direction",
        "link",
        "state",
        "tally",
    )

    def __init__(self, link: str, direction: Direction, seed: int, clipboard: Clipboard) -> None:
        self.link = link
        self.direction = direction
        self.tally = Tally()
        self._clipboard = clipboard
        self.reseed(seed)
        self._build(CLEAR, {}, 0)

    def reseed(self, seed: int) -> None:
        """Begins the random numbers of `seed`; `set` or `restore` must follow."""
        self._seed = seed
        self._dice: dict[str, Dice] = {}

    def set(self, state: DirectionState, now: int = 0) -> None:
        """Puts `state` in force for every frame from `now` (ns) on.

        All begins anew, but for a direction that was half-open and stays so: it goes on to
        know the connections that it has seen to open.
        """
        kept: dict[str, Memory] = {}
        if self._gate is not None and state.mode is Mode.HALF_OPEN is self.state.mode:
            memory = self._gate.memory(0)
            kept = {self._gate.name: memory} if memory is not None else {}
        self._build(state, kept, now)

    def restore(self, snapshot: PipeSnapshot, now: int) -> None:
        """Goes on at `now` (ns) where `snapshot` was taken, with the same seed."""
        for stage, position in snapshot.positions.items():
            self._stage_dice(stage).seek(position)
        self._build(snapshot.state, snapshot.memory, now)

    def snapshot(self, now: int) -> PipeSnapshot:
        """All that decides what becomes of frames after `now` (ns), but for those that wait."""
        kept = {stage.name: stage.memory(now) for stage in self._stages}
        return PipeSnapshot(
            state=self.state,
            positions={stage: dice.position for stage, dice in self._dice.items()},
            memory={name: memory for name, memory in kept.items() if memory is not None},
        )

    def _build(self, state: DirectionState, memory: Mapping[str, Memory], now: int) -> None:
        self.state = state
        self._stages: list[Stage] = build(state, self._stage_dice, memory, self._clipboard, now)
        self.clear = not self._stages
        first_stage = self._stages[0] if self._stages else None
        self._gate = first_stage if isinstance(first_stage, Gate) else None

    def _stage_dice(self, stage: str) -> Dice:
        if stage not in self._dice:
            self._dice[stage] = Dice(self._seed, self.link, self.direction.value, stage)
        return self._dice[stage]

    def admit(self, arena: Arena, runs: list[Run], now: int) -> list[Flight]:
        """What becomes of frames that enter at `now` (ns), with no regard to the queue."""
        flights = [Flight(now, arena, runs)]
        for stage in self._stages:
            flights = stage.apply(flights, self.tally)
        return flights

    def sooner(self, flight: Flight, now: int) -> list[Flight]:
        """When frames that are under way go on, at `now` (ns), after a change of state.

        No later than they were to, and no later than frames that enter now: what holds them no
        more lets them go at once, and a line of another rate takes them as they stand in its
        queue. No random number is drawn for them.
        """
        flights = [Flight(now, flight.arena, flight.runs)]
        longest = 0
        for stage in self._stages:
            if isinstance(stage, Rate):
                flights = stage.take_over(flights[0])
            longest += getattr(stage, "longest", 0)
        return [
            Flight(min(flight.due, going.due + longest), going.arena, going.runs)
            for going in flights
        ]

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

    def release(self, arena: Arena, runs: list[Run]) -> list[Run]:
        """Takes frames off the queue, their time having come; those that may go on."""
        self.tally.in_flight -= count(runs)
        if self._gate is not None:  # may have been shut while they were under way
            return self._gate.passing(arena, runs, self.tally)
        return runs
