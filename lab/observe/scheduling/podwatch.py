"""A watch on pods that timestamps each event on receipt, by two clocks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edge_lab.cluster.objects import condition
from edge_lab.core.deadline import Deadline
from edge_lab.observe.following import Follower, Stamp, Watches
from edge_lab.oracles.scheduling.preemption import PodEvent
from edge_lab.oracles.scheduling.stages import Moment
from edge_lab.oracles.spans import NANOSECONDS

RECONNECT_EVERY = 0.5
"""Seconds between a lost connection and the next attempt."""


class PodWatch(Follower):
    """Follows the pods of one namespace from `__enter__` to `__exit__`.

    It lists and watches over the management path, so no fault of a link delays it.

    With `reconnects`, a lost connection is replaced by a new one, which begins with a list: what
    happened in between gets the time of that list, as for any client. Without it, a lost
    connection is an error.
    """

    def __init__(self, kubectl: Watches, namespace: str, *, reconnects: bool = False) -> None:
        again_every = RECONNECT_EVERY if reconnects else None
        super().__init__(kubectl, "pods", "-n", namespace, again_every=again_every)
        self._events: dict[str, list[PodEvent]] = {}
        self._moments: dict[str, dict[Moment, Stamp]] = {}
        """By pod: the time of receipt."""
        self._bypassed: set[str] = set()
        """Pods that were bound when first seen: not by the scheduler, or the watch began too
        late."""
        self._ready = False

    def wait_begun(self, deadline: Deadline) -> None:
        """Waits until it has seen the existing pods: from then on nothing is missed.

        LabError if the namespace has none, which does not show whether it watches.
        """
        deadline.wait_for(
            "the watch on pods has begun", lambda: self._ready, every=0.05, watch=self.check
        )

    def note(self, event: str, item: Mapping[str, Any], at: Stamp) -> None:
        name, pod_event = item["metadata"]["name"], PodEvent(at.wall, event, item)
        self._ready = True
        self._events.setdefault(name, []).append(pod_event)
        seen = self._moments.setdefault(name, {})
        bound = bool(item.get("spec", {}).get("nodeName"))
        if not seen and bound:
            self._bypassed.add(name)
        for moment in _moments_of(pod_event):
            if moment is not Moment.SCHEDULED or name not in self._bypassed:
                seen.setdefault(moment, at)

    # -- observations --------------------------------------------------------------------------

    def has(self, pod: str, moment: Moment) -> bool:
        """Whether it was seen. LabError if the watch has ended."""
        self.check()
        with self._lock:
            return moment in self._moments.get(pod, {})

    def moments(self, pod: str) -> Mapping[Moment, int]:
        """When each moment was first received, ns since 1970."""
        with self._lock:
            return {moment: at.wall for moment, at in self._moments.get(pod, {}).items()}

    def startup_s(self, pod: str) -> float | None:
        """From created to Running on the monotonic clock, s; None unless both were seen."""
        with self._lock:
            seen = self._moments.get(pod, {})
            if not seen.keys() >= {Moment.CREATED, Moment.RUNNING}:
                return None
            elapsed = seen[Moment.RUNNING].monotonic - seen[Moment.CREATED].monotonic
        return elapsed / NANOSECONDS

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
