"""A topology with all the twins that it could have."""

from __future__ import annotations

from edge_lab.topology import Topology


def with_all_twins(topology: Topology) -> Topology:
    """The same with a twin of each device on each edge node."""
    nodes = tuple(node.name for node in topology.edges)
    devices = tuple(each.model_copy(update={"twins": nodes}) for each in topology.devices)
    return topology.model_copy(update={"devices": devices})
