"""Claims of a fault on parts of a lab, to find conflicts between the faults of a plan."""

from __future__ import annotations

from dataclasses import dataclass

from edge_lab.faults.probe import WireProbe
from edge_lab.topology import Link, Topology


@dataclass(frozen=True)
class Claims:
    """Parts of a lab, each with its kind: `node edge-arm`, `link arm-cloud`, `device boiler`."""

    locks: frozenset[str]
    """Parts that it locks: no other fault may lock one of them at the same time."""
    needs: frozenset[str] = frozenset()
    """Parts that must work for as long as the fault lasts."""
    observed_through: frozenset[str] = frozenset()
    """Parts that must work when it begins and when it ends, for both to be observed."""
    disables: frozenset[str] = frozenset()
    """Parts that do not work while it lasts."""


def node_part(name: str) -> str:
    return f"node {name}"


def services_part(node: str) -> str:
    """The services of a node: that they run and can be restarted."""
    return f"{node_part(node)} services"


def link_part(name: str) -> str:
    return f"link {name}"


def device_part(name: str) -> str:
    return f"device {name}"


def endpoint_part(topology: Topology, link: Link) -> str:
    """The node or device at the end of `link`."""
    is_node = any(link.endpoint == node.name for node in topology.nodes)
    return node_part(link.endpoint) if is_node else device_part(link.endpoint)


def observation_path(topology: Topology, link: Link) -> frozenset[str]:
    """All parts that a probe over `link` uses, except for the link itself.

    Raises:
        InputError: no probe can cross it.
    """
    probe = WireProbe.over(topology, link)
    crossed = [
        other
        for other in topology.links
        if other.network == link.network
        and (other.endpoint == probe.node or str(other.address) == probe.address)
    ]
    ends = {endpoint_part(topology, other) for other in crossed}
    return frozenset(ends | {link_part(other.name) for other in crossed if other != link})
