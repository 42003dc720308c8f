"""An edge node that the cloud has lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.outcomes import eventually
from suites.edges import until_lost

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

UNREACHABLE = "node.kubernetes.io/unreachable"
LOST_SECONDS = 120.0
"""Beyond the grace period, for the node controller to taint the node."""


def lost(lab: Lab, node: str, time_limit: TimeLimit) -> None:
    """Waits until the scheduler may place no pod on the node because it is unreachable."""

    def tainted() -> bool:
        found = lab.kubectl.get_json("node", node, deadline=time_limit(60))
        taints = found["spec"].get("taints", [])
        return any(
            taint["key"] == UNREACHABLE and taint["effect"] == "NoSchedule" for taint in taints
        )

    eventually(
        f"{node} has the taint {UNREACHABLE}", tainted, time_limit(until_lost(lab) + LOST_SECONDS)
    )
