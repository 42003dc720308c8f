"""Queries and limits for edge nodes that several suites use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_lab.cluster.objects import node_ready
from edge_lab.fixtures.lab import TimeLimit

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab


def edges(lab: Lab) -> tuple[str, ...]:
    """The names of the edge nodes."""
    return tuple(node.name for node in lab.topology.edges)


def uplink(lab: Lab, node: str) -> str:
    """The name of the link between a node and its cloud."""
    return lab.topology.cluster_link(node).name


def is_ready(lab: Lab, node: str, time_limit: TimeLimit) -> bool:
    """Whether the API server shows a node, or the server, as Ready."""
    return node_ready(lab.kubectl.get_json("node", node, deadline=time_limit(60)))


BEYOND_GRACE = 15.0
"""Seconds beyond the grace period after which a node is certainly marked lost."""


def until_lost(lab: Lab) -> float:
    """Seconds of silence after which a node is certainly marked lost."""
    return lab.topology.timing.node_monitor_grace + BEYOND_GRACE


def until_evicted(lab: Lab) -> float:
    """Seconds of silence after which its pods are certainly evicted, with default tolerations."""
    return until_lost(lab) + lab.topology.timing.unreachable_toleration + BEYOND_GRACE
