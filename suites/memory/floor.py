"""The search for the smallest memory at which a node works, and the results of its attempts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from edge_lab.measuring.measures import Better, Measure

SIZES = (2048, 1536, 1024, 768, 512)
"""MiB of the node."""


class Stage(StrEnum):
    """The tasks of a node, in order."""

    JOIN = "boot, join and run its workload"
    SETTLE = "be at rest"
    REBOOT = "reboot"
    RECOVER = "go on after the reboot"


@dataclass(frozen=True)
class Attempt:
    """The result of a node with so much memory in a separate lab, from a cold start."""

    mib: int
    failed_at: Stage | None = None
    """None if it completed all tasks."""
    reason: str = ""
    shortage: tuple[str, ...] = ()
    """Lines of console and kernel log that report a lack of memory."""
    available_mib: float | None = None
    """When idle, before the reboot."""

    @property
    def passed(self) -> bool:
        return self.failed_at is None

    def __str__(self) -> str:
        if self.passed:
            left = "" if self.available_mib is None else f", {self.available_mib:.0f} MiB available"
            return f"{self.mib} MiB: passed{left}"
        why = f"memory ran out ({self.shortage[0]})" if self.shortage else self.reason
        return f"{self.mib} MiB: failed to {self.failed_at}: {why}"


@dataclass(frozen=True)
class Floor:
    """The result of a search."""

    mib: int | None
    """None if the node also fails with the most memory."""
    attempts: tuple[Attempt, ...]
    """In order."""

    @property
    def lowest(self) -> Attempt | None:
        """The attempt that passed at the floor."""
        return next(
            (attempt for attempt in self.attempts if attempt.passed and attempt.mib == self.mib),
            None,
        )

    @property
    def is_least_tried(self) -> bool:
        """Whether no attempt below the floor failed, so that it may be lower."""
        return self.mib is not None and all(attempt.mib >= self.mib for attempt in self.attempts)

    def __str__(self) -> str:
        found = "no size is sufficient" if self.mib is None else f"the minimum is {self.mib} MiB"
        return "\n".join([found, *(f"  {attempt}" for attempt in self.attempts)])


def find_floor(attempt: Callable[[int], Attempt], sizes: Sequence[int] = SIZES) -> Floor:
    """Bisects `sizes`, MiB; the largest is tried first, as the control for the others.

    A size at which the node fails without a sign of a lack of memory is tried twice: a lab on a
    busy machine may have been too slow.
    """
    made: list[Attempt] = []

    def holds(mib: int) -> bool:
        made.append(attempt(mib))
        if not made[-1].passed and not made[-1].shortage:
            made.append(attempt(mib))
        return made[-1].passed

    ordered = sorted(set(sizes), reverse=True)
    if not holds(ordered[0]):
        return Floor(None, tuple(made))
    passing, failing = 0, len(ordered)
    while failing - passing > 1:
        middle = (passing + failing) // 2
        if holds(ordered[middle]):
            passing = middle
        else:
            failing = middle
    return Floor(ordered[passing], tuple(made))


def measures_of(floor: Floor, node: str) -> tuple[Measure, ...]:
    """Measures for the table: the floor, and the memory available there."""
    tried = ", ".join(map(str, sorted({attempt.mib for attempt in floor.attempts}, reverse=True)))
    evidence = f"cold labs at {tried} MiB"
    reason = "" if floor.mib is not None else "fails at the largest size"
    found = [
        Measure(
            name="memory_floor",
            value=floor.mib,
            unit="MiB",
            better=Better.LOWER,
            node=node,
            evidence=evidence + (", none of which failed" if floor.is_least_tried else ""),
            reason=reason,
            heading="memory floor",
        )
    ]
    if floor.lowest is not None and floor.lowest.available_mib is not None:
        found.append(
            Measure(
                name="available_at_the_floor",
                value=round(floor.lowest.available_mib, 1),
                unit="MiB",
                node=node,
                evidence="MemAvailable at rest",
                heading="available at the floor",
            )
        )
    return tuple(found)
