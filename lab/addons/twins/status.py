"""A DeviceStatus object, the cluster's state of a twin, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ONLINE, OFFLINE = "online", "offline"


@dataclass(frozen=True)
class ReportedProperty:
    """One property of a twin, as text, as in the cluster."""

    value: str
    observed: str = ""
    """The confirmed desired value; empty if there is none."""
    taken: int = 0
    """When the mapper read it, by the node's clock; ms since 1970, 0 if unknown."""

    @property
    def is_reported(self) -> bool:
        """Whether there is a value. KubeEdge lists properties without one as empty, without a
        time."""
        return bool(self.value or self.taken)


@dataclass(frozen=True)
class TwinStatus:
    """One DeviceStatus."""

    name: str
    state: str = ""
    properties: Mapping[str, ReportedProperty] = field(default_factory=dict)
    read_errors: Mapping[str, str] = field(default_factory=dict)
    """By property, why it cannot be read. Runtimes that support twins themselves omit it."""
    write_errors: Mapping[str, str] = field(default_factory=dict)
    """By property, the refused desired value and the reason."""

    def value(self, name: str) -> str | None:
        """The reported value of a property; None if there is none."""
        found = self.properties.get(name)
        return found.value if found and found.is_reported else None

    def observed(self, name: str) -> str:
        """The confirmed desired value of a property; empty if there is none."""
        found = self.properties.get(name)
        return found.observed if found else ""


def parse_status(item: Mapping[str, Any]) -> TwinStatus:
    """Parses a DeviceStatus object; missing fields are empty."""
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
