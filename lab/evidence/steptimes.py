"""Analysis of a start: the self time of each step, and the critical path."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from edge_lab.evidence.trace import TracedStep

Interval = tuple[int, int]
"""From, to; µs."""


@dataclass(frozen=True)
class StepTimes:
    """The times of a step."""

    step: TracedStep
    around: str
    """The title of the enclosing step, if any: titles inside boots and restores repeat."""
    own: int
    """Self time, µs: while none of the steps inside it was running."""
    critical: tuple[Interval, ...]
    """The spans in which it was on the critical path, in order."""

    @property
    def critical_length(self) -> int:
        """µs; the sum over all steps is the length of the start."""
        return sum(end - begin for begin, end in self.critical)


def step_times(steps: Sequence[TracedStep]) -> tuple[StepTimes, ...]:
    """The times of each step, in order.

    The critical path: at each moment, of the running steps inside the outermost one, the one that
    ends last, and recursively inside it.
    """
    inside: dict[int | None, list[TracedStep]] = defaultdict(list)
    for step in steps:
        inside[step.parent].append(step)
    titles = {step.id: step.title for step in steps}
    critical: dict[int, list[Interval]] = defaultdict(list)
    for outermost in inside[None]:
        _critical(outermost, outermost.begin, outermost.end, inside, critical)
    return tuple(
        StepTimes(
            step,
            "" if step.parent is None else titles.get(step.parent, ""),
            step.length - covered((child.begin, child.end) for child in inside[step.id]),
            tuple(reversed(critical[step.id])),
        )
        for step in steps
    )


def _critical(
    step: TracedStep,
    begin: int,
    end: int,
    inside: Mapping[int | None, Sequence[TracedStep]],
    found: dict[int, list[Interval]],
) -> None:
    """Divides the time from `begin` to `end` between `step` and its inner steps, backwards."""
    now = end
    for child in sorted(
        inside.get(step.id, ()), key=lambda child: (child.end, child.begin), reverse=True
    ):
        until = min(child.end, now)
        since = max(child.begin, begin)
        if since >= until:
            continue
        if until < now:
            found[step.id].append((until, now))
        _critical(child, since, until, inside, found)
        now = since
    if begin < now:
        found[step.id].append((begin, now))


def covered(intervals: Iterable[Interval]) -> int:
    """The length of the union of the spans."""
    total, reached = 0, 0
    for begin, end in sorted(intervals):
        total += max(0, end - max(begin, reached))
        reached = max(reached, end)
    return total
