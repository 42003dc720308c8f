"""Devices and their models as the mapper needs them, parsed from Kubernetes objects.

Cycles are ms, as in KubeEdge's own mappers.  An invalid property is omitted with an error, and
the rest of the device is served.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .values import Refused, Value, ValueType

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
    low: float | int | None = None
    high: float | int | None = None


@dataclass(frozen=True)
class Model:
    """One DeviceModel. `broken` is why properties make no sense, by name."""

    key: Key
    properties: Mapping[str, ModelProperty]
    broken: Mapping[str, str] = field(default_factory=dict)


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
    """The desired values as text, including those of unknown properties."""
    broken: Mapping[str, str] = field(default_factory=dict)
    """By name, why a property cannot be served."""

    @property
    def complaints(self) -> tuple[str, ...]:
        return tuple(f"unknown property {name!r}: {why}" for name, why in self.broken.items())

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
    return namespace, str(reference.get("name", ""))


def parse_model(item: Mapping[str, Any]) -> Model:
    """A DeviceModel object. A property that makes no sense takes no other with it."""
    found, broken = {}, {}
    for each in item.get("spec", {}).get("properties") or ():
        name = str(each.get("name", "")) if isinstance(each, Mapping) else ""
        try:
            found[name] = _model_property(each)
        except (TypeError, ValueError, AttributeError, KeyError) as trouble:
            broken[name] = str(trouble)
    return Model(key_of(item), found, broken)


def _model_property(each: Mapping[str, Any]) -> ModelProperty:
    word = str(each.get("type", "")).upper()
    if word not in {kind.value for kind in ValueType}:
        raise ValueError(f"the model's type {word!r} is not supported")
    return ModelProperty(
        each["name"],
        ValueType(word),
        each.get("accessMode") == "ReadWrite",
        _bound(each.get("minimum")),
        _bound(each.get("maximum")),
    )


def _bound(text: Any) -> float | int | None:
    if text in (None, ""):
        return None
    try:
        bound = float(text)
        if bound == bound:
            return int(text) if isinstance(text, str) and text.strip("+-").isdecimal() else bound
    except (TypeError, ValueError):
        pass
    raise ValueError(f"the model's bound {text!r} is not a number")


def parse_device(item: Mapping[str, Any], model: Model) -> Device:
    """A Device object with its model."""
    spec = item.get("spec", {})
    protocol = spec.get("protocol") or {}
    config = protocol.get("configData") or {}
    if not isinstance(config, Mapping):
        raise TypeError(f"its protocol's configData is not an object: {config!r}")
    properties: dict[str, Property] = {}
    desired: dict[str, str] = {}
    broken: dict[str, str] = {}
    for each in spec.get("properties") or ():
        name = str(each.get("name", ""))
        wanted = (each.get("desired") or {}).get("value")
        if wanted not in (None, ""):
            desired[name] = str(wanted)
        try:
            properties[name] = _property(name, each, model)
        except (TypeError, ValueError, AttributeError, OverflowError) as trouble:
            broken[name] = str(trouble)
    return Device(
        key=key_of(item),
        uid=item["metadata"].get("uid", ""),
        protocol=str(protocol.get("protocolName", "")),
        config=config,
        properties=properties,
        desired=desired,
        broken=broken,
    )


def _property(name: str, given: Mapping[str, Any], model: Model) -> Property:
    known = model.properties.get(name)
    visitor = (given.get("visitors") or {}).get("configData")
    if name in model.broken:
        raise ValueError(model.broken[name])
    if known is None:
        raise ValueError("the model has no property of that name")
    if not visitor:
        raise ValueError("it has no address")
    if not isinstance(visitor, Mapping):
        raise TypeError(f"its configData is not an object: {visitor!r}")
    collect = _cycle(given.get("collectCycle"), DEFAULT_CYCLE_MS)
    return Property(known, visitor, collect, _cycle(given.get("reportCycle"), collect))


def _cycle(value: Any, default: int) -> int:
    return max(LEAST_CYCLE_MS, int(value)) if value else default


def checked(device: Device, name: str) -> Value:
    """What is desired of a property as a value that may be written.

    Raises:
        Refused: there is no such property, it cannot be written, or the value is not fit.
    """
    found = device.properties.get(name)
    if found is None:
        why = device.broken.get(name)
        raise Refused(f"unknown property: {why}" if why else "unknown property")
    if not found.model.writable:
        raise Refused("the property is read-only")
    return found.model.type.parse(device.desired[name], found.model.low, found.model.high)
