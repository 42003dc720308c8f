"""A node that one pod fills."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_lab.core.errors import MissingCapability
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.oracles.scheduling.placement import free

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

LEAST_MILLI = 200
"""Of a CPU: so much must be free on a node that is to be filled."""


def most_cpu(lab: Lab, node: str, time_limit: TimeLimit) -> str:
    """So much CPU that it fits on the node once and not twice.

    Raises:
        MissingCapability: less than a fifth of a CPU is free.
    """
    limit = time_limit(60)
    bound = lab.kubectl.items("pods", "-A", deadline=limit)
    left = free(lab.kubectl.get_json("node", node, deadline=limit), "cpu", bound)
    milli = int(left * 1000)
    if milli < LEAST_MILLI:
        raise MissingCapability(f"{node} has {milli} m of CPU left to reserve")
    return f"{milli * 3 // 4}m"
