"""A twin with a property that does not exist on its device, besides those that do.

A wrong address in one property must not affect the others: this twin has one.
"""

from __future__ import annotations

from edge_lab.addons.twins.manifests import Manifest, TwinProperty, device_manifest, model_manifest
from edge_lab.devices.points import Point
from edge_lab.devices.protocols import protocol_of
from edge_lab.topology import Device, Topology

MISSING = "missing"
"""The name of the property."""


def missing_property(device: Device) -> TwinProperty:
    """A property at an address that does not exist on the device, next to those that do."""
    point = Point(MISSING, "")
    return TwinProperty(point, protocol_of(device.protocol).missing_place(device, point))


def partial_twin(
    topology: Topology, device: Device, node: str, *, name: str, cycle_ms: int
) -> tuple[Manifest, Manifest]:
    """The DeviceModel and the Device of such a twin, both with that name."""
    wrong = missing_property(device)
    model = model_manifest(device)
    model["metadata"]["name"] = name
    model["spec"]["properties"].append({"name": MISSING, "type": "INT", "accessMode": "ReadOnly"})
    item = device_manifest(topology, device, node, name=name, cycle_ms=cycle_ms)
    item["spec"]["deviceModelRef"]["name"] = name
    protocol = protocol_of(device.protocol).twin_name
    item["spec"]["properties"].append(
        {
            "name": MISSING,
            "collectCycle": cycle_ms,
            "reportCycle": cycle_ms,
            "reportToCloud": True,
            "visitors": {"protocolName": protocol, "configData": dict(wrong.place)},
        }
    )
    return model, item
