"""The queue of a monitored item: OPC 10000-4, 5.13.1.5."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from asyncua import ua

MOST = 10_000
"""Maximum size of a queue."""
OVERFLOW = 0x480
"""The info bits of a StatusCode that say: of a data value (0x400), and values before or after it
are lost (0x80)."""


def revised(asked: int) -> int:
    """The size of a queue as requested by a client."""
    return max(1, min(asked, MOST))


class ValueQueue:
    """DataValues. On overflow values are lost, and the value beside the gap is marked."""

    def __init__(self, size: int, discard_oldest: bool) -> None:
        self._items: deque[Any] = deque()
        self._size = size
        self._discard_oldest = discard_oldest

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: Any) -> None:
        self._items.append(item)
        self._fit()

    def resize(self, size: int, discard_oldest: bool) -> None:
        self._size, self._discard_oldest = size, discard_oldest
        self._fit()

    def take(self, most: int) -> list[Any]:
        """Removes and returns the first ones, up to a number."""
        return [self._items.popleft() for _ in range(min(most, len(self._items)))]

    def clear(self) -> None:
        self._items.clear()

    def _fit(self) -> None:
        lost = False
        while len(self._items) > self._size:
            lost = True
            if self._discard_oldest or self._size == 1:
                self._items.popleft()
            else:  # the newest replaces the one before it
                del self._items[-2]
        if lost:
            self._lose()

    def _lose(self) -> None:
        # A queue of size one has the newest value, and is not marked on overflow.
        if self._size > 1:
            at = 0 if self._discard_oldest else -1
            self._items[at] = overflowed(self._items[at])


class EventQueue(ValueQueue):
    """Fields of events. An overflow is reported by an additional event."""

    def __init__(self, size: int, discard_oldest: bool, lost: Callable[[], Any]) -> None:
        super().__init__(size, discard_oldest)
        self._lost = lost
        """Creates the fields of that event."""
        self._has_lost = False

    def __len__(self) -> int:
        return len(self._items) + self._has_lost

    def take(self, most: int) -> list[Any]:
        found: list[Any] = []
        if self._has_lost and self._discard_oldest and most:
            found.append(self._say())
        found += super().take(most - len(found))
        if self._has_lost and len(found) < most:
            found.append(self._say())
        return found

    def clear(self) -> None:
        super().clear()
        self._has_lost = False

    def _lose(self) -> None:
        self._has_lost = True

    def _say(self) -> Any:
        self._has_lost = False
        return self._lost()


def overflowed(value: Any) -> Any:
    """The same DataValue, with the overflow bit."""
    status = value.StatusCode.value if value.StatusCode is not None else 0
    return replace(value, StatusCode=ua.StatusCode(status | OVERFLOW))
