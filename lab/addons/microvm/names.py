"""Names of the add-on on nodes and in a cluster, and the nodes that have it."""

from __future__ import annotations

from typing import Final

from edge_lab.provisioning.provision import PAYLOAD_MOUNT
from edge_lab.topology import Node, Topology

MICROVM = "microvm"
"""The add-on, and the capability of a node on which a pod can be a microVM."""
KVM = "kvm"
"""The capability of a node on which KVM works."""
EDGE_KVM = "edge-kvm"
"""The component that probes the node's KVM, and is the device plugin for pods."""
PROGRAM = str(PAYLOAD_MOUNT / "bin" / EDGE_KVM)
UNIT = f"{EDGE_KVM}.service"

RESOURCE = "edge-lab.local/kvm"
"""The resource that a pod requests for /dev/kvm."""
SHARES = 4
"""Maximum pods of a node that have it at a time."""
DEVICE_GROUP = 991
"""The group kvm of the root images, to which /dev/kvm belongs."""

FILES: Final = "microvm"
"""The folder of the payload with the kernel and the initial RAM disk of microVMs."""
FILES_ON_NODE = str(PAYLOAD_MOUNT / FILES)


def has_kvm(node: Node) -> bool:
    """Whether the topology gives it a CPU with virtualization. Whether KVM works is checked when
    the lab starts."""
    return node.virtualization


def nodes_with_kvm(topology: Topology) -> tuple[Node, ...]:
    return tuple(node for node in topology.nodes if has_kvm(node))
