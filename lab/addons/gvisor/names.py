"""What the add-on is called in a cluster, and which nodes have it."""

from __future__ import annotations

from edge_lab.stacks import Capability, Stack
from edge_lab.topology import Arch, Node, Topology

GVISOR = "gvisor"
"""The add-on, the RuntimeClass, and the capability of a node that runs pods in gVisor."""
HANDLER = "runsc"
"""The runtime as containerd's configuration calls it."""
EDGE_RUNSC = "edge-runsc"
"""The component that containerd starts in place of runc."""
NODE_LABEL = "edge-lab.local/gvisor"
"""On each node that has it, with the value `true`."""

ARCHITECTURES = frozenset({Arch.X86_64, Arch.AARCH64})
"""gVisor runs on no other; there is no port to riscv64."""


def has_gvisor(node: Node) -> bool:
    """Whether the add-on is installed on `node`."""
    return node.arch in ARCHITECTURES


def is_default(topology: Topology, node: Node, stack: Stack) -> bool:
    """Whether pods of `node` that name no RuntimeClass run in gVisor.

    Where the topology says so, and where the edge runtime knows no RuntimeClass.
    """
    resolves = (
        node.name == topology.server.name or Capability.RUNTIME_CLASS in stack.runtime.capabilities
    )
    return node.container_runtime == GVISOR or (has_gvisor(node) and not resolves)
