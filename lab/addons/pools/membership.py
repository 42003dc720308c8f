"""The node pools of a topology: edge nodes by their label `apps.openyurt.io/nodepool`."""

from __future__ import annotations

from edge_lab.addons.pools.names import POOL_LABEL
from edge_lab.stacks import Stack
from edge_lab.stacks.openyurt import OpenYurt
from edge_lab.topology import Node, Topology


def pool_of(node: Node) -> str:
    """The pool of a node when the lab starts; empty if it is in none."""
    return node.labels.get(POOL_LABEL, "")


def pools_of(topology: Topology) -> dict[str, tuple[str, ...]]:
    """By pool, the names of its edge nodes, both in the topology's order."""
    found: dict[str, tuple[str, ...]] = {}
    for node in topology.edges:
        if pool_of(node):
            found[pool_of(node)] = (*found.get(pool_of(node), ()), node.name)
    return found


def has_pools(stack: Stack) -> bool:
    """Whether the add-on does anything: node pools are OpenYurt's."""
    return isinstance(stack.runtime, OpenYurt)
