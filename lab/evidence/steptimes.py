"""Where the time of a start went: what each step took by itself, and the critical path."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from edge_lab.evidence.trace import TracedStep

Interval = tuple[int, int]
"""From, to; µs."""


@dataclass(frozen=True)
class StepTimes:
    """What a step took."""

    step: TracedStep
    around: str
    """The title of the step that it is inside of, if any: boots and restores have alike names."""
    own: int
    """Self time, µs: when none of the steps inside it was under way."""
    critical: tuple[Interval, ...]
    """When it was on the critical path, the earliest first."""

    @property
    def critical_length(self) -> int:
        """µs; those of all steps add up to the length of the start."""
        return sum(end - begin for begin, end in self.critical)


def step_times(steps: Sequence[TracedStep]) -> tuple[StepTimes, ...]:
    """Of each step, in their order.

    The critical path: at each moment, of the steps under way inside the outermost one, the one
    that ends last, and of those inside that the same again.
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
    """Divides what is from `begin` to `end` between `step` and what is inside it, backwards."""
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
    """The length of what lies within any of them."""
    total, reached = 0, 0
    for begin, end in sorted(intervals):
        total += max(0, end - max(begin, reached))
        reached = max(reached, end)
    return total
