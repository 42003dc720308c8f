"""The observations so far, and the latest of each subject. Thread-safe."""

from __future__ import annotations

import threading
from typing import TypeVar

from edge_lab.measuring.observation import Observation

S = TypeVar("S", bound=Observation)


class ObservationLog:
    """Stores changes. All times are those of the observations."""

    def __init__(self) -> None:
        self._seen: list[Observation] = []
        self._newest: dict[tuple[str, ...], Observation] = {}
        self._lock = threading.Lock()

    def add(self, seen: Observation) -> None:
        """Stores it, if it differs from the last one of its kind and subject."""
        at = (seen.kind, *seen.subject)
        with self._lock:
            old = self._newest.get(at)
            if old is not None and old.model_copy(update={"time": seen.time}) == seen:
                return
            self._newest[at] = seen
            self._seen.append(seen)

    def newest(self, kind: type[S], *subject: str) -> S | None:
        """The last observation of this subject."""
        with self._lock:
            found = self._newest.get((kind.kind, *subject))
        return found if isinstance(found, kind) else None

    def all_newest(self, kind: type[S]) -> list[S]:
        """The last observation of each subject."""
        with self._lock:
            return [seen for seen in self._newest.values() if isinstance(seen, kind)]

    def in_order(self) -> list[Observation]:
        """All observations, by time."""
        with self._lock:
            return sorted(self._seen, key=lambda seen: seen.time)
