"""Reports of twins as a measure of work on a node, from the API server."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from edge_lab.oracles.twins import TwinSighting


class SeesTwins(Protocol):
    """As a `TwinWatch`."""

    def sightings(self, twin: str) -> Sequence[TwinSighting]: ...


def reports_of(twins: Iterable[str], seen: SeesTwins) -> int:
    """The number of new reports of these twins."""
    return sum(_reports(seen.sightings(twin)) for twin in twins)


def _reports(sightings: Iterable[TwinSighting]) -> int:
    count = 0
    before = None
    for sighting in sightings:
        properties = sighting.status.properties
        if properties != before and any(found.is_reported for found in properties.values()):
            count += 1
        before = properties
    return count
