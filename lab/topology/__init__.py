"""The topology: validated, with file and line for each error."""

from edge_lab.topology.arch import Arch, Cri, Role
from edge_lab.topology.consistency import MANAGEMENT_SUBNET, TopologyProblem
from edge_lab.topology.device import (
    Alarm,
    FastNodes,
    Login,
    ModbusOptions,
    OpcUaOptions,
    Parity,
    SecurityMode,
    SecurityPolicy,
    SerialOptions,
    Signal,
    SlowNodes,
    WordOrder,
)
from edge_lab.topology.external import (
    Ability,
    External,
    HardwareDriver,
    abilities,
    booted_nodes,
    external_nodes,
    why_unable,
)
from edge_lab.topology.hostlinks import host_links, outside_names
from edge_lab.topology.load import load_topology, parse_topology
from edge_lab.topology.model import (
    RUNC,
    Device,
    Link,
    Network,
    Node,
    Taint,
    Topology,
)
from edge_lab.topology.protocols import Protocol, known_protocols
from edge_lab.topology.schema import topology_schema
from edge_lab.topology.timing import Timing

__all__ = [
    "MANAGEMENT_SUBNET",
    "RUNC",
    "Ability",
    "Alarm",
    "Arch",
    "Cri",
    "Device",
    "External",
    "FastNodes",
    "HardwareDriver",
    "Link",
    "Login",
    "ModbusOptions",
    "Network",
    "Node",
    "OpcUaOptions",
    "Parity",
    "Protocol",
    "Role",
    "SecurityMode",
    "SecurityPolicy",
    "SerialOptions",
    "Signal",
    "SlowNodes",
    "Taint",
    "Timing",
    "Topology",
    "TopologyProblem",
    "WordOrder",
    "abilities",
    "booted_nodes",
    "external_nodes",
    "host_links",
    "known_protocols",
    "load_topology",
    "outside_names",
    "parse_topology",
    "topology_schema",
    "why_unable",
]
