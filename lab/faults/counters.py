"""Differences of the counters of a link."""

from __future__ import annotations

from dataclasses import dataclass

from edge_lab.fabric.counters import Counters, LinkCounters, Reason
from edge_lab.fabric.state import Direction

_ON_PURPOSE = (
    Reason.CUT,
    Reason.DROP,
    Reason.HALF_OPEN,
    Reason.FLAP,
    Reason.MTU,
    Reason.LOSS,
)


@dataclass(frozen=True)
class CounterDelta:
    """The counters of the link since then, in the directions of the fault."""

    before: LinkCounters
    now: LinkCounters
    directions: tuple[Direction, ...]

    def dropped(self, *reasons: Reason) -> int:
        return sum(
            new.dropped.get(reason, 0) - old.dropped.get(reason, 0)
            for old, new in self._pairs
            for reason in reasons
        )

    @property
    def copies(self) -> int:
        return sum(new.copies - old.copies for old, new in self._pairs)

    @property
    def affected(self) -> int:
        """Frames that were dropped, duplicated or corrupted on purpose."""
        return self.dropped(*_ON_PURPOSE) + self.copies + self.corrupted

    @property
    def corrupted(self) -> int:
        return sum(new.corrupted - old.corrupted for old, new in self._pairs)

    @property
    def _pairs(self) -> tuple[tuple[Counters, Counters], ...]:
        return tuple(
            (getattr(self.before, direction), getattr(self.now, direction))
            for direction in self.directions
        )
