"""Names of twins, in the cluster and on the nodes."""

from __future__ import annotations

from edge_lab.topology import Device, Node, Topology

API_GROUP = "devices.kubeedge.io"
API_VERSION = f"{API_GROUP}/v1beta1"
NAMESPACE = "edge-lab"
"""The namespace of the lab's Device objects, which is the workload's."""

MAPPER_GROUP = "edge-lab:mappers"
"""The group of all device mappers, to which their roles are bound."""

MAPPER_UNIT = "edge-mapper.service"


def twin_name(device: str, node: str) -> str:
    """The name of the Device object, and its DeviceStatus, of a device's twin on a node."""
    return f"{device}-{node}"


def twins_of(topology: Topology, node: Node) -> tuple[Device, ...]:
    """The devices that have a twin on the node."""
    return tuple(device for device in topology.devices if node.name in device.twins)


def has_twins(topology: Topology) -> bool:
    return any(device.twins for device in topology.devices)
