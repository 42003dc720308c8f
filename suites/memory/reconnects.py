"""Breaks connections of a node to its cloud, and waits for new ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.outcomes import eventually

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

RECONNECT_SECONDS = 120.0
"""Seconds for an agent to reconnect after its back-off, on an emulated node."""


def local_ports(said: str) -> frozenset[str]:
    """The local ports in the output of `ss -Htn`."""
    return frozenset(
        fields[3].rpartition(":")[2]
        for fields in (line.split() for line in said.splitlines())
        if len(fields) >= 5
    )


def reconnect(lab: Lab, node: str, time_limit: TimeLimit) -> int:
    """Ends all connections of a node to the server's address on the cluster network, and waits
    until the node has a new one. Returns how many were ended."""
    address = lab.topology.cluster_link(lab.topology.server.name).address
    machine = lab.machine(node)

    def connections() -> frozenset[str]:
        listed = machine.run(f"ss -Htn state established dst {address}", time_limit(60))
        # Without the column of states, because of the filter.
        rows = ("ESTAB " + line for line in listed.stdout.splitlines())
        return local_ports("\n".join(rows))

    before = connections()
    assert before, f"{node} has no connection to its cloud"
    machine.run(f"ss -K -Htn state established dst {address}", time_limit(60))
    eventually(
        f"{node} connects to its cloud again",
        lambda: bool(connections() - before),
        time_limit(RECONNECT_SECONDS),
    )
    ended = before - connections()
    assert ended, f"none of the connections of {node} was ended"
    return len(ended)
