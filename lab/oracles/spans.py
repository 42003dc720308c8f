"""Time spans, and values that hold until the next one. All times are ns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

NANOSECONDS = 1_000_000_000

T = TypeVar("T")


@dataclass(frozen=True, order=True)
class Span:
    start: int
    end: int

    @property
    def seconds(self) -> float:
        return max(0, self.end - self.start) / NANOSECONDS

    def within(self, other: Span) -> Span | None:
        """The intersection with `other`; None if it is empty."""
        start, end = max(self.start, other.start), min(self.end, other.end)
        return Span(start, end) if start < end else None

    def touches(self, other: Span) -> bool:
        return self.start <= other.end and other.start <= self.end


@dataclass(frozen=True)
class Held(Generic[T]):
    """A value and the time for which it held."""

    span: Span
    value: T


def held(changes: Iterable[tuple[int, T]], until: int) -> tuple[Held[T], ...]:
    """The values with their spans, from (time, value) pairs, up to `until`; ignores later ones.

    Of several values at one moment the last one counts. Neighbours differ. Only the last
    one may be empty: a change at the very end.
    """
    at: dict[int, T] = {}
    for time, value in sorted(changes, key=lambda change: change[0]):
        if time <= until:
            at[time] = value
    kept: list[tuple[int, T]] = []
    for time, value in at.items():
        if not kept or kept[-1][1] != value:
            kept.append((time, value))
    ends = [time for time, _ in kept[1:]] + [until]
    return tuple(
        Held(Span(time, end), value) for (time, value), end in zip(kept, ends, strict=False)
    )


def value_before(holds: Sequence[Held[T]], time: int) -> T | None:
    """The value right before `time`; None if there was none yet."""
    before = [hold.value for hold in holds if hold.span.start < time]
    return before[-1] if before else None


def united(spans: Iterable[Span]) -> tuple[Span, ...]:
    """The union of the spans, in order, without overlaps."""
    found: list[Span] = []
    for span in sorted(spans):
        if found and span.start <= found[-1].end:
            found[-1] = Span(found[-1].start, max(found[-1].end, span.end))
        else:
            found.append(span)
    return tuple(found)
