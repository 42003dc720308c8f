"""Names of the add-on in a cluster, and the nodes that have it."""

from __future__ import annotations

from edge_lab.provisioning.provision import PAYLOAD_MOUNT
from edge_lab.stacks import Capability, Stack
from edge_lab.topology import Arch, Cri, Node, Topology

GVISOR = "gvisor"
"""The add-on with Debian's gVisor, the RuntimeClass, and the capability of a node that runs pods in
gVisor."""
GVISOR_RELEASE = "gvisor-release"
"""The add-on with a release of gVisor, which has a shim of its own."""
FLAVORS = (GVISOR, GVISOR_RELEASE)
"""The add-ons that install gVisor."""
RUNSC = "runsc"
"""The component: runsc of the release."""
RUNSC_SHIM = "containerd-shim-runsc-v1"
"""The component: containerd's shim of the release."""
DEBIAN_RUNSC = "/usr/bin/runsc"
"""Path of runsc in the root images."""
HANDLER = "runsc"
"""The name of the runtime in containerd's configuration."""
EDGE_RUNSC = "edge-runsc"
"""The component that containerd starts instead of runc."""
NODE_LABEL = "edge-lab.local/gvisor"
"""Label of each node that has it, with the value `true`."""

ARCHITECTURES = frozenset({Arch.X86_64, Arch.AARCH64})
"""The architectures that gVisor supports; there is no port to riscv64."""


def why_no_gvisor(node: Node) -> str:
    """Why the add-on is not installed on `node`; empty if it is."""
    if node.arch not in ARCHITECTURES:
        return f"gVisor does not run on {node.arch.value}"
    if node.cri is not Cri.CONTAINERD:
        return f"the lab configures gVisor only in containerd, and {node.name} has {node.cri.value}"
    return ""


def has_gvisor(node: Node) -> bool:
    """Whether the add-on is installed on `node`."""
    return not why_no_gvisor(node)


def gvisor_addon(topology: Topology) -> str:
    """The add-on of the topology that installs gVisor; empty if there is none."""
    return next((name for name in FLAVORS if name in topology.addons), "")


def runsc_path(topology: Topology) -> str:
    """Path on nodes of the program that sandboxes run."""
    if gvisor_addon(topology) == GVISOR_RELEASE:
        return str(PAYLOAD_MOUNT / "bin" / RUNSC)
    return DEBIAN_RUNSC


def is_default(topology: Topology, node: Node, stack: Stack) -> bool:
    """Whether pods of `node` without a RuntimeClass run in gVisor.

    If the topology says so, or if the edge runtime does not support RuntimeClass.
    """
    resolves = (
        node.name == topology.server.name or Capability.RUNTIME_CLASS in stack.runtime.capabilities
    )
    return node.container_runtime == GVISOR or (has_gvisor(node) and not resolves)
