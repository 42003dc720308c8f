"""A watch on objects of one kind, until it is closed or the API server goes away."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Protocol, Self

from edge_lab.core.errors import LabError

Event = tuple[str, dict[str, Any]]
"""ADDED, MODIFIED or DELETED, and the object."""


class Feed(Protocol):
    """Where a watch has its events from."""

    def __iter__(self) -> Iterator[Event]:
        """Raises LabError when there will be no more."""
        ...

    def sever(self) -> None:
        """Ends it, whichever thread waits for its next event."""
        ...

    def close(self) -> None: ...


class Watch:
    """Iterates over events; first come all objects that are there, as ADDED.

    It goes on where it was when the API server ends the request in good order. When the
    connection breaks, the server goes silent, or its history does not reach back far enough
    (410 Gone), the iteration ends: what happened meanwhile only a list can tell.
    """

    def __init__(self, feed: Callable[[], Feed]) -> None:
        self._feed = feed
        self._lock = threading.Lock()
        self._open: Feed | None = None
        self._closed = threading.Event()
        self._over = threading.Event()
        self.trouble: LabError | None = None
        """What has ended it, if `close` did not."""

    @property
    def ended(self) -> bool:
        """Whether there will be no more events."""
        return self._over.is_set() or self._closed.is_set()

    def __iter__(self) -> Iterator[Event]:
        try:
            with self._lock:
                if self._closed.is_set():
                    return
                feed = self._open = self._feed()
            try:
                for event in feed:
                    if self._closed.is_set():
                        return
                    yield event
            finally:
                feed.close()
        except LabError as trouble:
            if not self._closed.is_set():
                self.trouble = trouble
        finally:
            self._over.set()

    def close(self) -> None:
        """Ends the iteration of whichever thread, at once."""
        with self._lock:
            self._closed.set()
            feed = self._open
        if feed is not None:
            feed.sever()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
