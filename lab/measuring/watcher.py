"""Watchers: observers that suites and add-ons add to a lab while tests inject faults."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from edge_lab.measuring.observation import Observation


class Ended(Protocol):
    """Signals the end of the watch; a `threading.Event` is one."""

    def is_set(self) -> bool: ...

    def wait(self, timeout: float | None = None) -> bool:
        """Waits for so many seconds, or until the end; returns whether it has ended."""
        ...


class Watcher(Protocol):
    """Observes a part of a lab.

    The recorder runs `watch` in its own thread.  An observation that it yields is recorded if it
    differs from the last one of the same subject; None means that it watches but has nothing to
    report.  No fault is injected before each watcher has yielded once.  It runs until `ended`,
    which it must check every few seconds.  If it ends earlier or raises, the recording is no
    evidence, and the test is an error of the lab.  So if its subject may be unreachable during a
    fault, the watcher must handle that and retry.
    """

    @property
    def name(self) -> str:
        """For messages."""
        ...

    def watch(self, ended: Ended) -> Iterator[Observation | None]: ...
