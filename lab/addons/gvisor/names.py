"""Names of the add-on in a cluster, and the nodes that have it."""

from __future__ import annotations

from edge_lab.stacks import Capability, Stack
from edge_lab.topology import Arch, Node, Topology

GVISOR = "gvisor"
"""The add-on, the RuntimeClass, and the capability of a node that runs pods in gVisor."""
HANDLER = "runsc"
"""The name of the runtime in containerd's configuration."""
EDGE_RUNSC = "edge-runsc"
"""The component that containerd starts instead of runc."""
NODE_LABEL = "edge-lab.local/gvisor"
"""Label of each node that has it, with the value `true`."""

ARCHITECTURES = frozenset({Arch.X86_64, Arch.AARCH64})
"""The architectures that gVisor supports; there is no port to riscv64."""


def has_gvisor(node: Node) -> bool:
    """Whether the add-on is installed on `node`."""
    return node.arch in ARCHITECTURES


def is_default(topology: Topology, node: Node, stack: Stack) -> bool:
    """Whether pods of `node` without a RuntimeClass run in gVisor.

    If the topology says so, or if the edge runtime does not support RuntimeClass.
    """
    resolves = (
        node.name == topology.server.name or Capability.RUNTIME_CLASS in stack.runtime.capabilities
    )
    return node.container_runtime == GVISOR or (has_gvisor(node) and not resolves)
