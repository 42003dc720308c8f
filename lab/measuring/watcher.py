"""Watchers: what a suite or an add-on lets observe a lab while tests break it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from edge_lab.measuring.observation import Observation


class Ended(Protocol):
    """Whether the watch is over; a `threading.Event` is one."""

    def is_set(self) -> bool: ...

    def wait(self, timeout: float | None = None) -> bool:
        """Waits for so many seconds, or until it is over; whether it is."""
        ...


class Watcher(Protocol):
    """Observes something of a lab.

    The recorder runs `watch` in a thread of its own.  What it yields is recorded, if it says
    something else than the last observation of the same subject; None says that it watches, and
    has nothing to tell.  Nothing is broken before each watcher has yielded once.  It goes on until
    `ended`, at which it looks every few seconds.  One that ends before, or raises, has gone blind:
    then the recording is no evidence, and the test is an error of the lab.  So what may be out of
    reach while a fault is active is for the watcher to note, and to try again.
    """

    @property
    def name(self) -> str:
        """For messages."""
        ...

    def watch(self, ended: Ended) -> Iterator[Observation | None]: ...
