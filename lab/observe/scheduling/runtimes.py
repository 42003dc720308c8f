"""The default container runtime of a node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_lab.addons.gvisor.names import GVISOR, gvisor_addon, is_default

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab
    from edge_lab.topology import Node


def default_runtime(lab: Lab, node: Node) -> str:
    """The runtime of pods without a RuntimeClass, as configured in containerd on the node."""
    if gvisor_addon(lab.topology) and is_default(lab.topology, node, lab.stack):
        return GVISOR
    return node.container_runtime
