"""A queue of items ordered by their due times."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from itertools import count
from typing import Generic, TypeVar

T = TypeVar("T")


class TimerQueue(Generic[T]):
    """A heap of items with due times; items of equal times come out in insertion order."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, T]] = []
        self._numbers = count()

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, due: int, item: T) -> None:
        heapq.heappush(self._heap, (due, next(self._numbers), item))

    @property
    def next_due(self) -> int | None:
        """Due time of the first item; None if the queue is empty."""
        return self._heap[0][0] if self._heap else None

    def due(self, now: int) -> Iterator[T]:
        """Removes and yields all items that are due at `now`, including those added meanwhile."""
        heap = self._heap
        while heap and heap[0][0] <= now:
            yield heapq.heappop(heap)[2]

    def take(self, wanted: Callable[[T], bool]) -> list[tuple[int, T]]:
        """Removes the `wanted` items, due or not; returns (due time, item) in order."""
        taken = [entry for entry in self._heap if wanted(entry[2])]
        if taken:
            self._heap[:] = [entry for entry in self._heap if not wanted(entry[2])]
            heapq.heapify(self._heap)
        return [(due, item) for due, _, item in sorted(taken, key=lambda entry: entry[:2])]

    def clear(self) -> list[T]:
        """Removes and returns all items, in the order of their due times."""
        items = [item for _, _, item in sorted(self._heap, key=lambda entry: entry[:2])]
        self._heap.clear()
        return items
