"""Watches twins through the API server; each observation has the host's time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edge_lab.addons.twins.client import STATUSES
from edge_lab.addons.twins.names import NAMESPACE
from edge_lab.addons.twins.status import parse_status
from edge_lab.observe.following import Follower, Stamp, Watches
from edge_lab.oracles.twins import TwinSighting


class TwinWatch(Follower):
    """Watches all twins until its watch is lost; `sightings` is available at any time.

    Initial objects are not observations: it is unknown since when they exist.
    """

    def __init__(self, kubectl: Watches, namespace: str = NAMESPACE) -> None:
        super().__init__(kubectl, STATUSES, "-n", namespace, again_every=None)
        self._seen: list[TwinSighting] = []
        self._known: set[str] = set()

    def sightings(self, twin: str) -> tuple[TwinSighting, ...]:
        """The observations of one twin so far, by time."""
        with self._lock:
            return tuple(sighting for sighting in self._seen if sighting.status.name == twin)

    def note(self, event: str, item: Mapping[str, Any], at: Stamp) -> None:
        status = parse_status(item)
        first = event == "ADDED" and status.name not in self._known
        self._known.add(status.name)
        if not first and event != "DELETED":
            self._seen.append(TwinSighting(at.wall, status))
