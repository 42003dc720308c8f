"""Polls one value in a separate thread, each time with a deadline."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import EdgeLabError
from edge_lab.live.snapshot import Part

T = TypeVar("T")

Ask = Callable[[Deadline], T]
"""Returns the value within the deadline, or raises."""


class Poll(Generic[T]):
    """The last answer to a query, and the time since which it is outdated.

    Reading `part` never blocks: a query counts as unanswered when its deadline has passed.
    """

    def __init__(
        self,
        name: str,
        ask: Ask[T],
        *,
        every: float,
        within: float,
        wanted: Callable[[], bool] = lambda: True,
    ) -> None:
        """`every`: seconds from an answer to the next query; `within`: for an answer, of the
        reference machine. While it is not `wanted`, there are no queries, until `hurry`."""
        self.name = name
        self._ask = ask
        self._every = every
        self._within = within
        self._wanted = wanted
        self._lock = threading.Lock()
        self._part: Part[T] = Part()
        self._asked: tuple[int, Deadline] | None = None
        """The pending query: its time and its deadline."""
        self._over = threading.Event()
        self._now = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._run, name=f"poll {self.name}", daemon=True).start()

    def stop(self) -> None:
        """Stops polling; a pending query is not waited for, and its answer is discarded."""
        self._over.set()
        self._now.set()

    def hurry(self) -> None:
        """Polls again at once."""
        self._now.set()

    @property
    def part(self) -> Part[T]:
        with self._lock:
            part, asked = self._part, self._asked
        if asked is not None and asked[1].expired and part.unknown_since is None:
            late = f"no answer within {asked[1].total:.0f} s"
            return part.model_copy(update={"unknown_since": asked[0], "trouble": late})
        return part

    def _run(self) -> None:
        while not self._over.is_set():
            self._now.clear()
            if self._wanted():
                self.once()
                self._now.wait(self._every)
            else:
                self._rest()
                self._now.wait()

    def _rest(self) -> None:
        """There is no reader: the last answer is outdated."""
        with self._lock:
            if self._part.unknown_since is None:
                rest = {"unknown_since": time.time_ns(), "trouble": "not asked: nobody looked"}
                self._part = self._part.model_copy(update=rest)

    def once(self) -> None:
        """Queries, and waits for the answer."""
        began, deadline = time.time_ns(), Deadline.scaled(self._within)
        with self._lock:
            self._asked = began, deadline
        try:
            value = self._ask(deadline)
        except EdgeLabError as trouble:
            self._failed(began, trouble.message)
        # An unexpected error must not end the polls of the page.
        except Exception as trouble:  # noqa: BLE001
            self._failed(began, f"{type(trouble).__name__}: {trouble}")
        else:
            self._answered(value)

    def _answered(self, value: T) -> None:
        with self._lock:
            self._asked = None
            if not self._over.is_set():
                self._part = Part(value=value, seen=time.time_ns())

    def _failed(self, began: int, trouble: str) -> None:
        with self._lock:
            self._asked = None
            since = self._part.unknown_since or began
            self._part = self._part.model_copy(update={"unknown_since": since, "trouble": trouble})
