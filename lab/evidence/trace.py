"""The trace of a start as data: its steps on lanes, and the resources used by its processes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from edge_lab.core.steprecord import Outcome, RecordedStep
from edge_lab.handle.hostprocesses import HostProcess

MICROSECOND = 1000
"""ns."""


@dataclass(frozen=True)
class TracedStep:
    """One step. Times are µs from the beginning of the start, within those of its parent."""

    id: int
    parent: int | None
    title: str
    lane: int
    """From 1. Two steps of one lane do not overlap, unless one lies within the other."""
    begin: int
    end: int
    outcome: Outcome = Outcome.ENDED
    detail: str = ""
    cut: int = 0
    """µs for which it continued after the end of its parent."""

    @property
    def length(self) -> int:
        return self.end - self.begin

    @property
    def failed(self) -> bool:
        return self.outcome is Outcome.FAILED


@dataclass(frozen=True)
class StartTrace:
    """The trace of one start."""

    lab: str
    stack: str
    """Empty if the start failed before it was known."""
    kind: str
    """cold start, from checkpoint, or failed."""
    began: str
    """ISO 8601, UTC."""
    version: str
    """Of edge-lab."""
    steps: tuple[TracedStep, ...]
    processes: tuple[HostProcess, ...] = ()
    """At the end of the start; none if it failed."""

    @property
    def end(self) -> int:
        """µs."""
        return max((step.end for step in self.steps), default=0)


def traced(recorded: Sequence[RecordedStep]) -> tuple[TracedStep, ...]:
    """The steps with their lanes; the first one is the outermost.

    A step without a parent, such as one from a thread without context, is a child of the first
    if it began while that was running.
    """
    if not recorded:
        return ()
    zero = min(step.begin for step in recorded)
    threads = {step.id: step.thread for step in recorded}
    found: dict[int, TracedStep] = {}
    for step in sorted(recorded, key=lambda step: step.id):  # a parent has the lower number
        begin, end = ((time - zero) // MICROSECOND for time in (step.begin, step.end))
        above = found.get(step.parent) if step.parent is not None else None
        if above is None and found:
            first = next(iter(found.values()))
            above = first if first.begin <= begin < first.end else None
        this = TracedStep(
            step.id,
            above.id if above else None,
            step.title,
            0,
            begin,
            end,
            step.outcome,
            step.detail,
        )
        found[step.id] = _within(this, above) if above else this
    return _on_lanes(found.values(), threads)


def _within(step: TracedStep, parent: TracedStep) -> TracedStep:
    begin = min(max(step.begin, parent.begin), parent.end)
    end = max(begin, min(step.end, parent.end))
    return replace(step, begin=begin, end=end, cut=max(0, step.end - end))


def _on_lanes(steps: Iterable[TracedStep], threads: dict[int, int]) -> tuple[TracedStep, ...]:
    """Puts each thread's steps on one lane at a time; a lane whose steps have ended is reused."""
    lanes: list[list[TracedStep]] = []
    """The running steps on each lane, the innermost last."""
    placed = []
    for step in sorted(steps, key=lambda step: (step.begin, -step.end, step.id)):
        for under_way in lanes:
            while under_way and under_way[-1].end <= step.begin:
                under_way.pop()
        number = _lane(step, lanes, threads)
        if number == len(lanes):
            lanes.append([])
        lanes[number].append(step)
        placed.append(replace(step, lane=number + 1))
    return tuple(placed)


def _lane(step: TracedStep, lanes: list[list[TracedStep]], threads: dict[int, int]) -> int:
    for number, under_way in enumerate(lanes):
        innermost = under_way[-1] if under_way else None
        if innermost and threads[innermost.id] == threads[step.id] and innermost.end >= step.end:
            return number
    free = (number for number, under_way in enumerate(lanes) if not under_way)
    return next(free, len(lanes))
