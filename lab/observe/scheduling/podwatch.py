"""A watch on pods that timestamps each event on receipt, by two clocks."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Protocol, Self

from edge_lab.cluster.objects import condition
from edge_lab.cluster.watch import Watch
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.oracles.scheduling.preemption import PodEvent
from edge_lab.oracles.scheduling.stages import Moment
from edge_lab.oracles.spans import NANOSECONDS

JOIN_SECONDS = 10.0
"""Seconds for the thread to end after its watch."""
RECONNECT_EVERY = 0.5
"""Seconds between a lost connection and the next attempt."""


STAMP_NS = 1_000_000
"""Two clocks that were read within this time count as read at the same time."""
STAMP_TRIES = 5


def stamp() -> tuple[int, int]:
    """The host's wall clock and monotonic clock, ns.

    Reads again if the thread was suspended in between, which would look like a clock that was set.
    """
    for _ in range(STAMP_TRIES):
        before, wall, after = time.monotonic_ns(), time.time_ns(), time.monotonic_ns()
        if after - before < STAMP_NS:
            break
    return wall, before


class Watches(Protocol):
    """The part of kubectl that is used here."""

    def watch(self, *args: str) -> Watch: ...


class PodWatch:
    """Follows the pods of one namespace from `__enter__` to `__exit__`.

    It lists and watches over the management path, so no fault of a link delays it.

    With `reconnects`, a lost connection is replaced by a new one, which begins with a list: what
    happened in between gets the time of that list, as for any client. Without it, a lost
    connection is an error.
    """

    def __init__(self, kubectl: Watches, namespace: str, *, reconnects: bool = False) -> None:
        self._kubectl = kubectl
        self._namespace = namespace
        self._reconnects = reconnects
        self._left = threading.Event()
        self._watch = self._new_watch()
        self._lock = threading.Condition()
        self._events: dict[str, list[PodEvent]] = {}
        self._moments: dict[str, dict[Moment, tuple[int, int]]] = {}
        """By pod: the time of receipt, ns since 1970 and on the monotonic clock."""
        self._bypassed: set[str] = set()
        """Pods that were bound when first seen: not by the scheduler, or the watch began too
        late."""
        self._ready = False
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def _new_watch(self) -> Watch:
        return self._kubectl.watch("pods", "-n", self._namespace)

    # -- life ----------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._left.set()
        with self._lock:
            self._watch.close()
        self._thread.join(Deadline.scaled(JOIN_SECONDS).remaining)

    def wait_begun(self, deadline: Deadline) -> None:
        """Waits until it has seen the existing pods: from then on nothing is missed.

        LabError if the namespace has none, which does not show whether it watches.
        """
        deadline.wait_for(
            "the watch on pods has begun", lambda: self._ready, every=0.05, watch=self.check
        )

    def check(self) -> None:
        """LabError if it ended prematurely: later events have no timestamp."""
        if not self._reconnects and self._watch.ended:
            raise LabError(f"the watch on pods has ended: {self._watch.trouble}")

    def _follow(self) -> None:
        while True:
            for kind, pod in self._watch:
                wall, monotonic = stamp()
                self._note(PodEvent(wall, kind, pod), monotonic)
            if not self._reconnects or self._left.wait(RECONNECT_EVERY):
                return
            with self._lock:
                if self._left.is_set():
                    return
                self._watch = self._new_watch()

    def _note(self, event: PodEvent, monotonic: int) -> None:
        name = event.pod["metadata"]["name"]
        with self._lock:
            self._ready = True
            self._events.setdefault(name, []).append(event)
            seen = self._moments.setdefault(name, {})
            bound = bool(event.pod.get("spec", {}).get("nodeName"))
            if not seen and bound:
                self._bypassed.add(name)
            for moment in _moments_of(event):
                if moment is not Moment.SCHEDULED or name not in self._bypassed:
                    seen.setdefault(moment, (event.time, monotonic))

    # -- observations --------------------------------------------------------------------------

    def has(self, pod: str, moment: Moment) -> bool:
        """Whether it was seen. LabError if the watch has ended."""
        self.check()
        with self._lock:
            return moment in self._moments.get(pod, {})

    def moments(self, pod: str) -> Mapping[Moment, int]:
        """When each moment was first received, ns since 1970."""
        with self._lock:
            return {moment: when for moment, (when, _) in self._moments.get(pod, {}).items()}

    def startup_s(self, pod: str) -> float | None:
        """From created to Running on the monotonic clock, s; None unless both were seen."""
        with self._lock:
            seen = self._moments.get(pod, {})
            if not seen.keys() >= {Moment.CREATED, Moment.RUNNING}:
                return None
            return (seen[Moment.RUNNING][1] - seen[Moment.CREATED][1]) / NANOSECONDS

    def events(self, pod: str) -> tuple[PodEvent, ...]:
        """All events of one pod, in order."""
        with self._lock:
            return tuple(self._events.get(pod, ()))

    def events_of(self, app: str) -> tuple[PodEvent, ...]:
        """All events of all pods with this label `app`, in order."""
        with self._lock:
            found = [
                event
                for events in self._events.values()
                for event in events
                if event.pod["metadata"].get("labels", {}).get("app") == app
            ]
        return tuple(sorted(found, key=lambda event: event.time))

    def newest(self, pod: str) -> dict[str, Any] | None:
        """The last observed state of the pod."""
        events = self.events(pod)
        return dict(events[-1].pod) if events else None


def _moments_of(event: PodEvent) -> tuple[Moment, ...]:
    """The moments that an event shows, whether or not for the first time."""
    if event.kind == "DELETED":
        return ()
    found = [Moment.CREATED]
    if event.pod.get("spec", {}).get("nodeName"):
        found.append(Moment.SCHEDULED)
    if event.pod.get("status", {}).get("phase") == "Running":
        found.append(Moment.RUNNING)
    if condition(event.pod, "Ready") == "True":
        found.append(Moment.READY)
    return tuple(found)
