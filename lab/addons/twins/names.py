"""What twins are called, in the cluster and on the nodes."""

from __future__ import annotations

from edge_lab.topology import Device, Node, Topology

API_GROUP = "devices.kubeedge.io"
API_VERSION = f"{API_GROUP}/v1beta1"
NAMESPACE = "edge-lab"
"""Where the lab's own Device objects are: the workload's namespace."""

MAPPER_GROUP = "edge-lab:mappers"
"""The group of all device mappers, by which the cluster gives them their rights."""

MAPPER_UNIT = "edge-mapper.service"


def twin_name(device: str, node: str) -> str:
    """The Device object, and its DeviceStatus, of a device's twin on a node."""
    return f"{device}-{node}"


def twins_of(topology: Topology, node: Node) -> tuple[Device, ...]:
    """The devices of which the node keeps a twin."""
    return tuple(device for device in topology.devices if node.name in device.twins)


def has_twins(topology: Topology) -> bool:
    return any(device.twins for device in topology.devices)
