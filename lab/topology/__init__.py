"""The topology: what is wanted, validated, with a line number for each mistake."""

from lab.topology.load import load_topology, parse_topology
from lab.topology.model import (
    MANAGEMENT_SUBNET,
    Arch,
    Device,
    Link,
    Network,
    Node,
    Protocol,
    Role,
    Taint,
    Topology,
)
from lab.topology.schema import topology_schema
from lab.topology.timing import Timing

__all__ = [
    "MANAGEMENT_SUBNET",
    "Arch",
    "Device",
    "Link",
    "Network",
    "Node",
    "Protocol",
    "Role",
    "Taint",
    "Timing",
    "Topology",
    "load_topology",
    "parse_topology",
    "topology_schema",
]
