"""What the cluster says of a twin: a DeviceStatus object, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ONLINE, OFFLINE = "online", "offline"


@dataclass(frozen=True)
class ReportedProperty:
    """One property of a twin, as text, as it stands in the cluster."""

    value: str
    observed: str = ""
    """What was desired and confirmed; empty if nothing was."""
    taken: int = 0
    """When the mapper read it, by the node's clock; ms since 1970, 0 if it is not said."""

    @property
    def is_reported(self) -> bool:
        """Whether there is a value. KubeEdge lists a property that has none yet: empty, no time."""
        return bool(self.value or self.taken)


@dataclass(frozen=True)
class TwinStatus:
    """One DeviceStatus."""

    name: str
    state: str = ""
    properties: Mapping[str, ReportedProperty] = field(default_factory=dict)
    read_errors: Mapping[str, str] = field(default_factory=dict)
    """By property, why it cannot be read. A runtime that keeps twins itself does not pass it on."""
    write_errors: Mapping[str, str] = field(default_factory=dict)
    """By property, what was desired and refused, and why."""

    def value(self, name: str) -> str | None:
        """What is reported of a property; None if nothing is."""
        found = self.properties.get(name)
        return found.value if found and found.is_reported else None

    def observed(self, name: str) -> str:
        """What is confirmed of what was desired; empty if nothing is."""
        found = self.properties.get(name)
        return found.observed if found else ""


def parse_status(item: Mapping[str, Any]) -> TwinStatus:
    """A DeviceStatus object; what is missing in it is empty."""
    status = item.get("status") or {}
    properties = {}
    for twin in status.get("twins") or ():
        reported = twin.get("reported") or {}
        time = str((reported.get("metadata") or {}).get("timestamp", ""))
        properties[str(twin.get("propertyName", ""))] = ReportedProperty(
            value=str(reported.get("value", "")),
            observed=str((twin.get("observedDesired") or {}).get("value", "")),
            taken=int(time) if time.isdecimal() else 0,
        )
    return TwinStatus(
        item["metadata"]["name"],
        str(status.get("state", "")),
        properties,
        _errors(status, "readErrors"),
        _errors(status, "writeErrors"),
    )


def _errors(status: Mapping[str, Any], field_name: str) -> dict[str, str]:
    found = (status.get("extensions") or {}).get(field_name) or {}
    return {str(name): str(why) for name, why in found.items()}
