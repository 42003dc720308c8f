"""What is to happen later, in the order of its time."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from itertools import count
from typing import Generic, TypeVar

T = TypeVar("T")


class Agenda(Generic[T]):
    """A heap of things with a due time; equal times come out in the order they went in."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, T]] = []
        self._numbers = count()

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, due: int, thing: T) -> None:
        heapq.heappush(self._heap, (due, next(self._numbers), thing))

    @property
    def next_due(self) -> int | None:
        """When the first thing is due; None if there is nothing."""
        return self._heap[0][0] if self._heap else None

    def due(self, now: int) -> Iterator[T]:
        """Takes out all that is due at `now`, also what is added meanwhile."""
        heap = self._heap
        while heap and heap[0][0] <= now:
            yield heapq.heappop(heap)[2]

    def take(self, wanted: Callable[[T], bool]) -> list[tuple[int, T]]:
        """Takes out what is wanted, whenever it is due, with its due times and in their order."""
        taken = [entry for entry in self._heap if wanted(entry[2])]
        if taken:
            self._heap[:] = [entry for entry in self._heap if not wanted(entry[2])]
            heapq.heapify(self._heap)
        return [(due, thing) for due, _, thing in sorted(taken, key=lambda entry: entry[:2])]

    def clear(self) -> list[T]:
        """Takes out everything, whenever it is due."""
        things = [thing for _, _, thing in sorted(self._heap, key=lambda entry: entry[:2])]
        self._heap.clear()
        return things
