"""Devices and their models as the mapper needs them, parsed from Kubernetes objects.

Cycles are ms, as KubeEdge's own mappers take them.  A property that cannot be made sense of
is left out with a complaint, and the rest of the device is served.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .values import Refused, ValueType

DEFAULT_CYCLE_MS = 10_000
LEAST_CYCLE_MS = 100

Key = tuple[str, str]
"""Namespace and name."""


@dataclass(frozen=True)
class ModelProperty:
    """One property of a model. `low` and `high` are bounds of what may be written."""

    name: str
    type: ValueType
    writable: bool
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Model:
    key: Key
    properties: Mapping[str, ModelProperty]


@dataclass(frozen=True)
class Property:
    """One property of a device: of what type, where to find it, and how often to look."""

    model: ModelProperty
    visitor: Mapping[str, Any]
    collect_ms: int
    report_ms: int

    @property
    def name(self) -> str:
        return self.model.name


@dataclass(frozen=True)
class Device:
    """One Device object, matched with its model."""

    key: Key
    uid: str
    protocol: str
    config: Mapping[str, Any]
    properties: Mapping[str, Property]
    desired: Mapping[str, str] = field(default_factory=dict)
    """What was asked for, as text, also of properties that are not there."""
    complaints: tuple[str, ...] = ()

    def same_but_desired(self, other: Device) -> bool:
        """Whether nothing but what is desired sets them apart."""
        return (self.protocol, self.config, self.properties) == (
            other.protocol,
            other.config,
            other.properties,
        )


def key_of(item: Mapping[str, Any]) -> Key:
    meta = item["metadata"]
    return meta.get("namespace", "default"), meta["name"]


def model_key(item: Mapping[str, Any]) -> Key:
    """The model that a Device object refers to; it is in the same namespace."""
    namespace, _ = key_of(item)
    reference = item.get("spec", {}).get("deviceModelRef") or {}
    return namespace, reference.get("name", "")


def parse_model(item: Mapping[str, Any]) -> Model:
    """A DeviceModel object. Properties of types that are no numbers or texts are left out."""
    found = {}
    for each in item.get("spec", {}).get("properties") or ():
        try:
            kind = ValueType(str(each.get("type", "")).upper())
            found[each["name"]] = ModelProperty(
                each["name"],
                kind,
                each.get("accessMode") == "ReadWrite",
                _bound(each.get("minimum")),
                _bound(each.get("maximum")),
            )
        except (KeyError, ValueError):
            continue
    return Model(key_of(item), found)


def _bound(text: Any) -> float | None:
    return float(text) if text not in (None, "") else None


def parse_device(item: Mapping[str, Any], model: Model) -> Device:
    """A Device object with its model."""
    spec = item.get("spec", {})
    protocol = spec.get("protocol") or {}
    properties: dict[str, Property] = {}
    desired: dict[str, str] = {}
    complaints: list[str] = []
    for each in spec.get("properties") or ():
        name = str(each.get("name", ""))
        wanted = (each.get("desired") or {}).get("value")
        if wanted not in (None, ""):
            desired[name] = str(wanted)
        known = model.properties.get(name)
        visitor = (each.get("visitors") or {}).get("configData")
        if known is None:
            complaints.append(f"unknown property {name!r}: the model has none of that name")
        elif not visitor:
            complaints.append(f"unknown property {name!r}: nothing says where it is")
        else:
            collect = _cycle(each.get("collectCycle"), DEFAULT_CYCLE_MS)
            properties[name] = Property(
                known, visitor, collect, _cycle(each.get("reportCycle"), collect)
            )
    return Device(
        key=key_of(item),
        uid=item["metadata"].get("uid", ""),
        protocol=str(protocol.get("protocolName", "")),
        config=protocol.get("configData") or {},
        properties=properties,
        desired=desired,
        complaints=tuple(complaints),
    )


def _cycle(value: Any, default: int) -> int:
    return max(LEAST_CYCLE_MS, int(value)) if value else default


def checked(device: Device, name: str) -> float | int | str | bool:
    """What is desired of a property as a value that may be written.

    Raises:
        Refused: there is no such property, it cannot be written, or the value is not fit.
    """
    found = device.properties.get(name)
    if found is None:
        raise Refused("unknown property")
    if not found.model.writable:
        raise Refused("the property is read-only")
    return found.model.type.parse(device.desired[name], found.model.low, found.model.high)
