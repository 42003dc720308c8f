"""Constraints on a topology as a whole: names, addresses, reachability."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING

from edge_lab.core.yamlmodel import Problem
from edge_lab.topology.arch import Arch, Role
from edge_lab.topology.external import check_external_nodes
from edge_lab.topology.hostlinks import check_host_links, outside_names

if TYPE_CHECKING:
    from edge_lab.topology.model import Topology

LONGEST_PREFIX = 31
"""Longest prefix of a network's subnet, with two addresses."""

MANAGEMENT_SUBNET = IPv4Network("10.0.2.0/24")
"""QEMU's user-mode network, on which each guest is 10.0.2.15; never part of the fabric."""


class TopologyProblem(Problem):
    """An error in a topology, with the location (`loc`) where it is reported."""


def check_consistency(topology: Topology) -> None:
    """Raises TopologyProblem for the first violated constraint."""
    _unique_names(topology)
    _one_server(topology)
    check_host_links(topology)
    _links_lead_somewhere(topology)
    check_external_nodes(topology)
    _cpu_models_fit(topology)
    _subnets_have_room(topology)
    _addresses_are_free(topology)
    _all_are_wired(topology)
    _pod_subnet_is_apart(topology)
    _twins_are_in_reach(topology)
    _addons_once(topology)


def _cpu_models_fit(topology: Topology) -> None:
    for index, node in enumerate(topology.nodes):
        if node.cpu_model and node.arch is not Arch.AARCH64:
            raise TopologyProblem(
                f"{node.cpu_model} is an arm64 processor, and {node.name!r} is {node.arch.value}",
                ("nodes", index, "cpu_model"),
                "Remove it.",
            )


def _unique_names(topology: Topology) -> None:
    seen: dict[str, str] = {}
    for kind in ("nodes", "devices"):
        for index, part in enumerate(getattr(topology, kind)):
            if part.name in seen:
                raise TopologyProblem(
                    f"the name {part.name!r} is already used (in {seen[part.name]})",
                    (kind, index, "name"),
                    "Nodes and devices share one set of names.",
                )
            seen[part.name] = kind
    for kind in ("networks", "links"):
        names: set[str] = set()
        for index, part in enumerate(getattr(topology, kind)):
            if part.name in names:
                raise TopologyProblem(f"two {kind} are called {part.name!r}", (kind, index, "name"))
            names.add(part.name)


def _one_server(topology: Topology) -> None:
    servers = [i for i, node in enumerate(topology.nodes) if node.role is Role.SERVER]
    if not servers:
        raise TopologyProblem(
            "no node has the role server", ("nodes",), "Give one node `role: server`."
        )
    if len(servers) > 1:
        raise TopologyProblem(
            "more than one node has the role server",
            ("nodes", servers[1], "role"),
            "A lab has one server; make the others `role: edge`.",
        )


def _links_lead_somewhere(topology: Topology) -> None:
    endpoints = [n.name for n in topology.nodes] + [d.name for d in topology.devices]
    networks = [network.name for network in topology.networks]
    endpoints += outside_names(topology)
    for index, link in enumerate(topology.links):
        for field, names in (("endpoint", endpoints), ("network", networks)):
            name = getattr(link, field)
            if name not in names:
                raise TopologyProblem(
                    f"link {link.name!r} is not connected: there is no {field} {name!r}",
                    ("links", index, field),
                    f"Available: {', '.join(names)}.",
                )
        same = [
            other
            for other in topology.links[:index]
            if (other.endpoint, other.network) == (link.endpoint, link.network)
        ]
        if same:
            raise TopologyProblem(
                f"{link.endpoint!r} is on network {link.network!r} twice "
                f"(link {same[0].name!r} too)",
                ("links", index, "network"),
            )


def _subnets_have_room(topology: Topology) -> None:
    for index, network in enumerate(topology.networks):
        if network.subnet.prefixlen > LONGEST_PREFIX:
            raise TopologyProblem(
                f"the subnet {network.subnet} has only one address",
                ("networks", index, "subnet"),
                f"A network connects at least two endpoints: use a /{LONGEST_PREFIX} or larger.",
            )


def _addresses_are_free(topology: Topology) -> None:
    taken: dict[IPv4Address, str] = {}
    for index, link in enumerate(topology.links):
        at = ("links", index, "address")
        subnet = topology.network(link.network).subnet
        if link.address not in subnet:
            raise TopologyProblem(
                f"{link.address} is not in {subnet}, the subnet of network {link.network!r}", at
            )
        # A /31 has neither: both of its addresses are host addresses (RFC 3021).
        if subnet.prefixlen < LONGEST_PREFIX and link.address in (
            subnet.network_address,
            subnet.broadcast_address,
        ):
            raise TopologyProblem(f"{link.address} is the network or broadcast address", at)
        if link.address in taken:
            raise TopologyProblem(
                f"{link.endpoint!r} and {taken[link.address]!r} both have the address "
                f"{link.address}",
                at,
                "Give each endpoint its own address.",
            )
        taken[link.address] = link.endpoint


def _all_are_wired(topology: Topology) -> None:
    for kind in ("nodes", "devices"):
        for index, part in enumerate(getattr(topology, kind)):
            links = topology.links_of(part.name)
            if not links:
                raise TopologyProblem(
                    f"{part.name!r} has no link", (kind, index, "name"), "Add one to `links`."
                )
            if kind == "devices" and len(links) > 1:
                raise TopologyProblem(
                    f"the device {part.name!r} has {len(links)} links; a device has exactly one",
                    ("links", topology.links.index(links[1]), "endpoint"),
                )
    cluster = topology.cluster_network.name
    for index, node in enumerate(topology.nodes):
        if cluster not in [link.network for link in topology.links_of(node.name)]:
            raise TopologyProblem(
                f"node {node.name!r} cannot reach the server: it has no link to the network "
                f"{cluster!r}",
                ("nodes", index, "name"),
                f"Add a link from {node.name} to {cluster}.",
            )


def _twins_are_in_reach(topology: Topology) -> None:
    edges = [node.name for node in topology.edges]
    for index, device in enumerate(topology.devices):
        network = topology.links_of(device.name)[0].network
        for place, name in enumerate(device.twins):
            at = ("devices", index, "twins", place)
            if name not in edges:
                raise TopologyProblem(
                    f"no twin of {device.name!r} can be on {name!r}, which is not an edge node",
                    at,
                    f"Edge nodes are: {', '.join(edges) or 'none'}.",
                )
            if name in device.twins[:place]:
                raise TopologyProblem(f"{name!r} is listed twice for twins of {device.name!r}", at)
            if network not in [link.network for link in topology.links_of(name)]:
                raise TopologyProblem(
                    f"{name!r} cannot keep a twin of {device.name!r}: it has no link to the "
                    f"network {network!r}",
                    at,
                    f"Add a link from {name} to {network}.",
                )


def _pod_subnet_is_apart(topology: Topology) -> None:
    if topology.pod_subnet.prefixlen != 16:
        raise TopologyProblem(f"the pod subnet {topology.pod_subnet} is not a /16", ("pod_subnet",))
    taken = [topology.pod_subnet]
    for index, network in enumerate(topology.networks):
        here = ("networks", index, "subnet")
        for other in taken:
            if network.subnet.overlaps(other):
                raise TopologyProblem(f"the subnet {network.subnet} overlaps {other}", here)
        if network.subnet.overlaps(MANAGEMENT_SUBNET):
            raise TopologyProblem(
                f"the subnet {network.subnet} overlaps the management network {MANAGEMENT_SUBNET}",
                here,
            )
        taken.append(network.subnet)


def _addons_once(topology: Topology) -> None:
    for index, name in enumerate(topology.addons):
        if name in topology.addons[:index]:
            raise TopologyProblem(
                f"the add-on {name!r} is listed twice", ("addons", index), "Remove one of them."
            )
