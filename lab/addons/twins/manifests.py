"""The Kubernetes objects of twins, as plain dicts, derived from a topology.

Models and devices are devices.kubeedge.io/v1beta1 with any runtime: the objects are KubeEdge's, and
without KubeEdge the mapper handles them itself.  The content of `configData` is only used by the
lab's mapper (images/mapper).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from edge_lab.addons.twins.names import (
    API_GROUP,
    API_VERSION,
    MAPPER_GROUP,
    NAMESPACE,
    twin_name,
)
from edge_lab.cluster.rbac import binding_manifest, role_manifest
from edge_lab.devices.points import REQUESTED_SETPOINT, SEQUENCE, SEQUENCE_POINT, Point
from edge_lab.devices.protocols import plant_of, protocol_of
from edge_lab.topology import Device, Topology

Manifest = dict[str, Any]


@dataclass(frozen=True)
class TwinProperty:
    """One property of the lab's devices: its type, its address, and whether it is writable."""

    point: Point
    place: Mapping[str, Any]
    low: float | None = None
    high: float | None = None

    @property
    def writable(self) -> bool:
        return self.high is not None


def properties_of(device: Device) -> tuple[TwinProperty, ...]:
    """The sequence number, each point, and the requested setpoint, which is writable."""
    plant = plant_of(device.protocol)
    setpoint = plant.setpoint
    requested = Point(REQUESTED_SETPOINT, setpoint.point.unit, setpoint.point.kind, digits=1)
    places = protocol_of(device.protocol).twin_places(device, requested)
    return (
        *(TwinProperty(point, places[point.name]) for point in (SEQUENCE_POINT, *plant.points)),
        TwinProperty(requested, places[REQUESTED_SETPOINT], setpoint.low, setpoint.high),
    )


# -- models and devices ------------------------------------------------------------------


def model_manifest(device: Device) -> Manifest:
    """The DeviceModel of one device, shared by its twins."""
    return {
        "apiVersion": API_VERSION,
        "kind": "DeviceModel",
        "metadata": {"name": device.name, "namespace": NAMESPACE, "labels": _labels(device)},
        "spec": {
            "protocol": protocol_of(device.protocol).twin_name,
            "properties": [
                _model_property(twin_property) for twin_property in properties_of(device)
            ],
        },
    }


def _model_property(twin_property: TwinProperty) -> Manifest:
    point = twin_property.point
    found: Manifest = {
        "name": point.name,
        "type": "FLOAT" if point.digits else "INT",
        "accessMode": "ReadWrite" if twin_property.writable else "ReadOnly",
        "unit": point.unit,
    }
    if twin_property.low is not None and twin_property.high is not None:
        found |= {"minimum": f"{twin_property.low:g}", "maximum": f"{twin_property.high:g}"}
    return found


def device_manifest(
    topology: Topology,
    device: Device,
    node: str,
    *,
    cycle_ms: int,
    name: str | None = None,
    only: Iterable[str] | None = None,
) -> Manifest:
    """The Device object of a device's twin on a node.

    `cycle_ms` is the interval at which each property is collected and reported; `name` replaces
    the usual one; `only` selects properties.
    """
    wanted = None if only is None else set(only)
    protocol = protocol_of(device.protocol)
    return {
        "apiVersion": API_VERSION,
        "kind": "Device",
        "metadata": {
            "name": name or twin_name(device.name, node),
            "namespace": NAMESPACE,
            "labels": {**_labels(device), "edge-lab/node": node},
        },
        "spec": {
            "deviceModelRef": {"name": device.name},
            "nodeName": node,
            "protocol": {
                "protocolName": protocol.twin_name,
                "configData": protocol.twin_access(topology, device),
            },
            "properties": [
                {
                    "name": twin_property.point.name,
                    "collectCycle": cycle_ms,
                    "reportCycle": cycle_ms,
                    "reportToCloud": True,
                    "visitors": {
                        "protocolName": protocol.twin_name,
                        "configData": dict(twin_property.place),
                    },
                }
                for twin_property in properties_of(device)
                if wanted is None or twin_property.point.name in wanted
            ],
        },
    }


def _labels(device: Device) -> dict[str, str]:
    return {"app.kubernetes.io/part-of": "edge-lab", "edge-lab/device": device.name}


def twin_manifests(topology: Topology, collect_ms: Callable[[Device], int]) -> tuple[Manifest, ...]:
    """Namespace, models and devices of all twins of a topology; `collect_ms` is the collect cycle
    of a device's twins, ms."""
    devices = [device for device in topology.devices if device.twins]
    return (
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        *(model_manifest(device) for device in devices),
        *(
            device_manifest(topology, device, node, cycle_ms=collect_ms(device))
            for device in devices
            for node in device.twins
        ),
    )


# -- RBAC --------------------------------------------------------------------------------


def mapper_rights() -> tuple[Manifest, ...]:
    """The rights of mappers that use the API server directly."""
    return (
        role_manifest(
            MAPPER_GROUP,
            [
                {
                    "apiGroups": [API_GROUP],
                    "resources": ["devices", "devicemodels"],
                    "verbs": ["get", "list", "watch"],
                },
                {
                    "apiGroups": [API_GROUP],
                    "resources": ["devicestatuses"],
                    "verbs": ["get", "create", "patch"],
                },
            ],
        ),
        binding_manifest(MAPPER_GROUP, MAPPER_GROUP, [MAPPER_GROUP]),
    )


def device_definitions(documents: Iterable[Mapping[str, Any] | None]) -> tuple[Manifest, ...]:
    """KubeEdge's CustomResourceDefinitions of devices."""
    return tuple(
        dict(document)
        for document in documents
        if document and document["metadata"]["name"].endswith(f".{API_GROUP}")
    )


__all__ = [
    "SEQUENCE",
    "TwinProperty",
    "device_definitions",
    "device_manifest",
    "mapper_rights",
    "model_manifest",
    "properties_of",
    "twin_manifests",
]
