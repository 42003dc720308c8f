"""Items that a device has refused, and when to try them again."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

FIRST_PAUSE = 5.0
LONGEST_PAUSE = 60.0
"""s. What was refused may appear: it is asked again, ever more seldom, and never given up."""

Item = TypeVar("Item", bound=Hashable)


@dataclass(frozen=True)
class _Known:
    why: str
    pause: float
    again: float
    """When it may be asked again, monotonic s."""


class Refusals(Generic[Item]):
    """By item, why it was refused the last time."""

    def __init__(self) -> None:
        self._known: dict[Item, _Known] = {}

    def __contains__(self, item: Item) -> bool:
        return item in self._known

    def __bool__(self) -> bool:
        return bool(self._known)

    def why(self, item: Item) -> str:
        return self._known[item].why

    def note(self, item: Item, why: str, now: float, *, for_now: bool = False) -> None:
        """`for_now` is a refusal that may be over soon."""
        before = self._known.get(item)
        pause = FIRST_PAUSE
        if before and not for_now:
            pause = min(2 * before.pause, LONGEST_PAUSE)
        self._known[item] = _Known(why, pause, now + pause)

    def is_due(self, item: Item, now: float) -> bool:
        return self._known[item].again <= now

    def soonest(self, items: Iterable[Item]) -> Item:
        """The one that is due first."""
        return min(items, key=lambda item: self._known[item].again)

    def lift(self, item: Item) -> None:
        """It was given after all; what was refused in the same words may be given too."""
        known = self._known.pop(item, None)
        if known is not None:
            self._known = {
                other: each for other, each in self._known.items() if each.why != known.why
            }
