"""A watch on objects of one kind, until it is closed or the API server is gone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Protocol, Self

from edge_lab.core.errors import LabError

Event = tuple[str, dict[str, Any]]
"""ADDED, MODIFIED or DELETED, and the object."""


class Feed(Protocol):
    """The source of a watch's events."""

    def __iter__(self) -> Iterator[Event]:
        """Yields events; LabError when there will be no more."""
        ...

    def sever(self) -> None:
        """Ends it; may be called while another thread waits for an event."""
        ...

    def close(self) -> None: ...


class Watch:
    """Iterates over events, beginning with all existing objects as ADDED.

    Continues when the API server ends a request normally. When the connection is lost, the server
    stops answering, or its history does not go back far enough (410 Gone), the iteration ends:
    then only a list shows what has changed.
    """

    def __init__(self, feed: Callable[[], Feed]) -> None:
        self._feed = feed
        self._lock = threading.Lock()
        self._open: Feed | None = None
        self._closed = threading.Event()
        self._over = threading.Event()
        self.trouble: LabError | None = None
        """The error that has ended it; None if `close` did."""

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
        """Ends the iteration immediately, from any thread."""
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
