"""What was seen until now, and the newest of each subject; threads share it."""

from __future__ import annotations

import threading
from typing import TypeVar

from edge_lab.measuring.observation import Observation

S = TypeVar("S", bound=Observation)


class ObservationLog:
    """Keeps what is news. All times are those of the observations."""

    def __init__(self) -> None:
        self._seen: list[Observation] = []
        self._newest: dict[tuple[str, ...], Observation] = {}
        self._lock = threading.Lock()

    def add(self, seen: Observation) -> None:
        """Keeps it, if it says something else than the last of its kind and subject."""
        at = (seen.kind, *seen.subject)
        with self._lock:
            old = self._newest.get(at)
            if old is not None and old.model_copy(update={"time": seen.time}) == seen:
                return
            self._newest[at] = seen
            self._seen.append(seen)

    def newest(self, kind: type[S], *subject: str) -> S | None:
        """The last that was seen of this subject."""
        with self._lock:
            found = self._newest.get((kind.kind, *subject))
        return found if isinstance(found, kind) else None

    def all_newest(self, kind: type[S]) -> list[S]:
        """The last of each subject."""
        with self._lock:
            return [seen for seen in self._newest.values() if isinstance(seen, kind)]

    def in_order(self) -> list[Observation]:
        """All, in the order of time."""
        with self._lock:
            return sorted(self._seen, key=lambda seen: seen.time)
