"""One direction of one link: its state, its stages, its random streams and its counters."""

from __future__ import annotations

from collections.abc import Mapping

from edge_lab.fabric.counters import Reason
from edge_lab.fabric.framebuffer import FrameBuffer, Run, count, first
from edge_lab.fabric.impairment import LONGEST_QUEUE
from edge_lab.fabric.randomstream import RandomStream
from edge_lab.fabric.snapshots import Memory, PipeSnapshot
from edge_lab.fabric.stages import Clipboard, Flight, Gate, Rate, Stage, Tally, build
from edge_lab.fabric.state import CLEAR, Direction, DirectionState, Mode

QUEUE_FRAMES = LONGEST_QUEUE
"""Maximum number of frames queued in one direction; further ones are dropped as overflow."""


class Pipe:
    """One direction of a link. If `clear`, frames pass unchanged."""

    __slots__ = (
        "_clipboard",
        "_gate",
        "_seed",
        "_stages",
        "_streams",
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
        """Restarts the random streams from `seed`; `set` or `restore` must follow."""
        self._seed = seed
        self._streams: dict[str, RandomStream] = {}

    def set(self, state: DirectionState, now: int = 0) -> None:
        """Sets `state` for every frame from `now` (ns) on.

        All stages start afresh, except that a direction which stays half-open keeps the
        connections that it has seen to open.
        """
        kept: dict[str, Memory] = {}
        if self._gate is not None and state.mode is Mode.HALF_OPEN is self.state.mode:
            memory = self._gate.memory(0)
            kept = {self._gate.name: memory} if memory is not None else {}
        self._build(state, kept, now)

    def restore(self, snapshot: PipeSnapshot, now: int) -> None:
        """Restores `snapshot` at `now` (ns), with the same seed."""
        for stage, position in snapshot.positions.items():
            self._stage_stream(stage).seek(position)
        self._build(snapshot.state, snapshot.memory, now)

    def snapshot(self, now: int) -> PipeSnapshot:
        """The state that determines what happens after `now` (ns), without the queued frames."""
        kept = {stage.name: stage.memory(now) for stage in self._stages}
        return PipeSnapshot(
            state=self.state,
            positions={stage: stream.position for stage, stream in self._streams.items()},
            memory={name: memory for name, memory in kept.items() if memory is not None},
        )

    def _build(self, state: DirectionState, memory: Mapping[str, Memory], now: int) -> None:
        self.state = state
        self._stages: list[Stage] = build(state, self._stage_stream, memory, self._clipboard, now)
        self.clear = not self._stages
        first_stage = self._stages[0] if self._stages else None
        self._gate = first_stage if isinstance(first_stage, Gate) else None

    def _stage_stream(self, stage: str) -> RandomStream:
        if stage not in self._streams:
            self._streams[stage] = RandomStream(self._seed, self.link, self.direction.value, stage)
        return self._streams[stage]

    def admit(self, buffer: FrameBuffer, runs: list[Run], now: int) -> list[Flight]:
        """The flights of frames that enter at `now` (ns), regardless of the queue's length."""
        flights = [Flight(now, buffer, runs)]
        for stage in self._stages:
            flights = stage.apply(flights, self.tally)
        return flights

    def sooner(self, flight: Flight, now: int) -> list[Flight]:
        """A flight in transit with its new due times, at `now` (ns), after a change of state.

        No later than before, and no later than frames that enter now: without the delay they
        are due at once, and at another rate they keep their order in the queue. No random
        number is drawn for them.
        """
        flights = [Flight(now, flight.buffer, flight.runs)]
        longest = 0
        for stage in self._stages:
            if isinstance(stage, Rate):
                flights = stage.take_over(flights[0])
            longest += getattr(stage, "longest", 0)
        return [
            Flight(min(flight.due, going.due + longest), going.buffer, going.runs)
            for going in flights
        ]

    def enqueue(self, flight: Flight) -> list[Run]:
        """The runs of `flight` that fit into the queue; the rest is dropped."""
        frames = count(flight.runs)
        room = QUEUE_FRAMES - self.tally.in_flight
        if frames <= room:
            self.tally.in_flight += frames
            return flight.runs
        kept, _ = first(flight.runs, max(0, room))
        self.tally.in_flight += count(kept)
        self.tally.drop(Reason.OVERFLOW, frames - count(kept))
        return kept

    def release(self, buffer: FrameBuffer, runs: list[Run]) -> list[Run]:
        """Removes due frames from the queue; returns those that are forwarded."""
        self.tally.in_flight -= count(runs)
        if self._gate is not None:  # may have been closed while they were in transit
            return self._gate.passing(buffer, runs, self.tally)
        return runs
