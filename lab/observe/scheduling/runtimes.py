"""Which runtime the pods of a node run in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_lab.addons.gvisor.names import GVISOR, is_default

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab
    from edge_lab.topology import Node


def default_runtime(lab: Lab, node: Node) -> str:
    """Of pods that name no RuntimeClass, as containerd on the node is configured."""
    if GVISOR in lab.topology.addons and is_default(lab.topology, node, lab.stack):
        return GVISOR
    return node.container_runtime
