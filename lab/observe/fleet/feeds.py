"""Watches hollow nodes through the API server during a test: readiness, lease renewals, evictions.
Times are those of receipt on the host, ns since 1970."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from edge_lab.cluster.objects import condition
from edge_lab.core.deadline import Deadline
from edge_lab.evidence.fleet import Eviction

if TYPE_CHECKING:
    from edge_lab.cluster.kubectl import Kubectl
    from edge_lab.cluster.watch import Watch

END_SECONDS = 5.0
AGAIN_EVERY = 1.0
"""Seconds until a broken watch is restarted."""


class Follower(ABC):
    """Follows objects of one kind in a thread, from `__enter__` to `__exit__`.

    A broken watch is restarted: the current state is then seen, but not states that existed only
    in between.
    """

    def __init__(self, kubectl: Kubectl, *query: str) -> None:
        """`query` as for kubectl get."""
        self._kubectl = kubectl
        self._query = query
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._watch: Watch | None = None
        self._breaks = 0
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        if self._watch is not None:
            self._watch.close()
        self._thread.join(Deadline.scaled(END_SECONDS).remaining)

    @property
    def breaks(self) -> int:
        """How often its watch broke, or could not be started."""
        with self._lock:
            return self._breaks

    @abstractmethod
    def note(self, event: str, item: Mapping[str, Any], now: int) -> None:
        """Handles an event; the lock is held."""

    def _follow(self) -> None:
        while not self._over.is_set():
            self._watch = self._kubectl.watch(*self._query)
            if self._over.is_set():  # `__exit__` may have seen the one before
                return
            for event, item in self._watch:
                with self._lock:
                    self.note(event, item, time.time_ns())
            if not self._over.is_set():
                with self._lock:
                    self._breaks += 1
            self._over.wait(AGAIN_EVERY)


class Readiness(Follower):
    """Watches the nodes that a label selects."""

    def __init__(self, kubectl: Kubectl, label: str) -> None:
        super().__init__(kubectl, "nodes", "-l", label)
        self._ready: dict[str, bool] = {}
        self._since: dict[str, int] = {}
        self._lost: dict[str, int] = {}

    def note(self, event: str, item: Mapping[str, Any], now: int) -> None:
        name = item["metadata"]["name"]
        if event == "DELETED":
            self._ready.pop(name, None)
            self._since.pop(name, None)
            return
        ready = condition(dict(item), "Ready") == "True"
        before = self._ready.get(name)
        if ready is not before:
            self._ready[name], self._since[name] = ready, now
        if before and not ready:
            self._lost[name] = now

    def ready(self) -> frozenset[str]:
        """The nodes that are Ready now."""
        with self._lock:
            return frozenset(name for name, ready in self._ready.items() if ready)

    def forget(self, names: Iterable[str]) -> None:
        """Forgets these nodes until they are seen again."""
        with self._lock:
            for name in names:
                self._ready.pop(name, None)

    def ready_since(self) -> dict[str, int]:
        with self._lock:
            return {name: self._since[name] for name, ready in self._ready.items() if ready}

    def lost_since(self, moment: int) -> tuple[str, ...]:
        """The nodes that have stopped being Ready since."""
        with self._lock:
            return tuple(sorted(name for name, when in self._lost.items() if when >= moment))


class Renewals(Follower):
    """Watches the leases of nodes."""

    def __init__(self, kubectl: Kubectl) -> None:
        super().__init__(kubectl, "leases", "-n", "kube-node-lease")
        self._first: dict[str, int] = {}
        self._known: dict[str, str] = {}

    def note(self, event: str, item: Mapping[str, Any], now: int) -> None:
        name, renewed = item["metadata"]["name"], str(item["spec"].get("renewTime", ""))
        before = self._known.get(name)
        self._known[name] = renewed
        if event != "DELETED" and before is not None and renewed != before:
            self._first.setdefault(name, now)

    def known(self) -> frozenset[str]:
        """Nodes whose lease has been seen."""
        with self._lock:
            return frozenset(self._known)

    def begin(self) -> None:
        """Counts from now on; earlier renewals do not count."""
        with self._lock:
            self._first.clear()

    def first(self) -> dict[str, int]:
        """By node, when its first renewal was seen."""
        with self._lock:
            return dict(self._first)


class Evictions(Follower):
    """Watches the pods of a namespace that are marked for deletion."""

    def __init__(self, kubectl: Kubectl, namespace: str, is_counted: Callable[[str], bool]) -> None:
        """`is_counted` by the name of a pod's node."""
        super().__init__(kubectl, "pods", "-n", namespace)
        self._is_counted = is_counted
        self._seen: dict[str, Eviction] = {}
        self._known: set[str] = set()

    def note(self, event: str, item: Mapping[str, Any], now: int) -> None:
        name, node = item["metadata"]["name"], item["spec"].get("nodeName", "")
        self._known.add(name)
        going = event == "DELETED" or "deletionTimestamp" in item["metadata"]
        if going and self._is_counted(node):
            self._seen.setdefault(name, Eviction(pod=name, node=node, time=now))

    def known(self) -> frozenset[str]:
        """The pods seen."""
        with self._lock:
            return frozenset(self._known)

    def seen(self) -> tuple[Eviction, ...]:
        with self._lock:
            return tuple(self._seen.values())
