"""Watches twins through the API server; each observation has the host's time."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from edge_lab.addons.twins.client import STATUSES
from edge_lab.addons.twins.names import NAMESPACE
from edge_lab.addons.twins.status import parse_status
from edge_lab.core.deadline import Deadline
from edge_lab.oracles.twins import TwinSighting

if TYPE_CHECKING:
    from edge_lab.cluster.kubectl import Kubectl
    from edge_lab.cluster.watch import Watch

END_SECONDS = 5.0


class TwinWatch:
    """Watches all twins from `__enter__` to `__exit__`; `sightings` is available at any time.

    Initial objects are not observations: it is unknown since when they exist.
    """

    def __init__(self, kubectl: Kubectl, namespace: str = NAMESPACE) -> None:
        self._kubectl = kubectl
        self._namespace = namespace
        self._seen: list[TwinSighting] = []
        self._lock = threading.Lock()
        self._watch: Watch | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._watch = self._kubectl.watch(STATUSES, "-n", self._namespace)
        self._thread = threading.Thread(target=self._follow, args=(self._watch,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._watch is not None:
            self._watch.close()
        if self._thread is not None:
            self._thread.join(Deadline.scaled(END_SECONDS).remaining)

    @property
    def ended(self) -> bool:
        """Whether it has ended by itself because the API server was unavailable."""
        return self._watch is not None and self._watch.ended

    def sightings(self, twin: str) -> tuple[TwinSighting, ...]:
        """The observations of one twin so far, by time."""
        with self._lock:
            return tuple(each for each in self._seen if each.status.name == twin)

    def _follow(self, watch: Watch) -> None:
        known: set[str] = set()
        for kind, item in watch:
            now = time.time_ns()
            status = parse_status(item)
            first = kind == "ADDED" and status.name not in known
            known.add(status.name)
            if not first and kind != "DELETED":
                with self._lock:
                    self._seen.append(TwinSighting(now, status))
