"""DeviceStatus objects: what is told of a device, and what another run of the mapper has told.

Errors are in `status.extensions`, by property: the definition leaves it free.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from .objects import Device
from .outbox import ONLINE, READ, WRITE, ErrorKey, Twin

FIELDS = {READ: "readErrors", WRITE: "writeErrors"}


@dataclass(frozen=True)
class Known:
    """A DeviceStatus as the API server has it, and the newest state."""

    uid: str
    twins: Mapping[str, Twin] = field(default_factory=dict)
    errors: Mapping[ErrorKey, str] = field(default_factory=dict)
    state: str = ""


def status_of(twins: Mapping[str, Twin], state: str, now: str) -> dict[str, Any]:
    """The status of a DeviceStatus object. All of it: a merge patch replaces a list whole."""
    status: dict[str, Any] = {}
    if twins:
        status["twins"] = [
            {
                "propertyName": name,
                "reported": {"value": each.reported, "metadata": {"timestamp": str(each.time)}},
                **({"observedDesired": {"value": each.observed}} if each.observed else {}),
            }
            for name, each in sorted(twins.items())
        ]
    if state:
        status["state"] = state
    if state == ONLINE:
        status["lastOnlineTime"] = now
    return status


def is_of(item: Mapping[str, Any], uid: str) -> bool:
    """Whether a DeviceStatus is that Device's, and none of another one of the same name."""
    owners = [each.get("uid") for each in item.get("metadata", {}).get("ownerReferences") or ()]
    return not owners or uid in owners


def twins_of(item: Mapping[str, Any]) -> dict[str, Twin]:
    """The twins in a DeviceStatus object."""
    found = {}
    for each in (item.get("status") or {}).get("twins") or ():
        reported = each.get("reported") or {}
        time = str((reported.get("metadata") or {}).get("timestamp", ""))
        found[str(each.get("propertyName", ""))] = Twin(
            str(reported.get("value", "")),
            int(time) if time.isdecimal() else 0,
            str((each.get("observedDesired") or {}).get("value", "")),
        )
    return found


def new_status(device: Device) -> dict[str, Any]:
    """A DeviceStatus that goes when its Device goes."""
    namespace, name = device.key
    return {
        "apiVersion": "devices.kubeedge.io/v1beta1",
        "kind": "DeviceStatus",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "ownerReferences": [
                {
                    "apiVersion": "devices.kubeedge.io/v1beta1",
                    "kind": "Device",
                    "name": name,
                    "uid": device.uid,
                    "controller": True,
                }
            ],
        },
    }


def errors_of(item: Mapping[str, Any]) -> dict[ErrorKey, str]:
    """The errors in a DeviceStatus object."""
    extensions = (item.get("status") or {}).get("extensions") or {}
    return {
        (kind, str(name)): str(why)
        for kind, field in FIELDS.items()
        for name, why in (extensions.get(field) or {}).items()
    }


def extensions_of(
    errors: Mapping[ErrorKey, str], gone: Collection[ErrorKey] = ()
) -> dict[str, Any]:
    """A merge patch: what is `gone` is null, and so removed."""
    found: dict[str, Any] = {}
    for (kind, name), why in sorted(errors.items()):
        found.setdefault(FIELDS[kind], {})[name] = why
    for kind, name in sorted(gone):
        # With the last of a kind its field goes.
        if found.setdefault(FIELDS[kind], None) is not None:
            found[FIELDS[kind]][name] = None
    return found
