"""Which node can probe which endpoint over a link, and what answers there, by the topology."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edge_lab.core.errors import InputError
from edge_lab.devices.protocols import protocol_of
from edge_lab.fabric.state import Direction, Match
from edge_lab.faults.probe import WireProbe
from edge_lab.stacks.base import API_PORT
from edge_lab.topology import Link, Topology

DISCARD_PORT = 9
"""Port for probes that only have to cross a link: nothing listens there, TCP is refused."""


@dataclass(frozen=True)
class Service:
    """A TCP service at the other end of a link, as seen from `node`."""

    node: str
    address: str
    port: int

    def __str__(self) -> str:
        return f"{self.node} to {self.address}:{self.port}"


@dataclass(frozen=True)
class Pair:
    """Two neighbours: a node that can probe, and the endpoint that it probes."""

    asker: Link
    asked: Link

    def has(self, address: str) -> bool:
        return address in (str(self.asker.address), str(self.asked.address))

    def service(self, port: int) -> Service:
        return Service(self.asker.endpoint, str(self.asked.address), port)

    @property
    def probe(self) -> WireProbe:
        return WireProbe(self.asker.endpoint, str(self.asked.address))


def pairs(topology: Topology, link: Link) -> Iterator[Pair]:
    """Those whose frames cross `link`."""
    nodes = {node.name for node in topology.nodes}
    for other in topology.links:
        if other.network != link.network or other.endpoint == link.endpoint:
            continue
        for asker, asked in ((link, other), (other, link)):
            if asker.endpoint in nodes:
                yield Pair(asker, asked)


def service(topology: Topology, link: Link) -> Service:
    """A service that accepts connections over `link`; InputError if there is none."""
    for pair in pairs(topology, link):
        if port := _port_of(topology, pair.asked):
            return pair.service(port)
    raise InputError(
        f"nothing accepts connections over {link.name!r}, so the effect could not be seen"
    )


def _port_of(topology: Topology, link: Link) -> int | None:
    """A port that always accepts connections at the endpoint of `link`."""
    if link == topology.cluster_link(topology.server.name):
        return API_PORT
    if link.host_interface:
        return link.port
    for device in topology.devices:
        if device.name == link.endpoint:
            return protocol_of(device.protocol).port(device)
    return None


def probe_of(topology: Topology, link: Link, frames: Match) -> WireProbe:
    """A ping over `link` whose frames have the given peer.

    Raises:
        InputError: no ping can have it.
    """
    if frames.peer is None:
        return WireProbe.over(topology, link)
    return _with_peer(topology, link, frames)[0].probe


def is_seen_by_tcp(frames: Match) -> bool:
    """Whether a connection attempt shows that such frames are dropped."""
    return frames.protocol == "tcp" or (frames.protocol is None and bool(frames.ports))


def services(topology: Topology, link: Link, frames: Match) -> Iterator[Service]:
    """A TCP port over `link` whose frames match the description: a refusal is enough."""
    for pair in _with_peer(topology, link, frames):
        for port in frames.ports or (DISCARD_PORT,):
            yield pair.service(port)


def datagram(
    topology: Topology, link: Link, frames: Match, directions: Sequence[Direction]
) -> Service:
    """Where a matching datagram can be sent that crosses `link` in one of these directions.

    Raises:
        InputError: no node can send one; no answer is needed.
    """
    for pair in _with_peer(topology, link, frames):
        if (Direction.TX if pair.asker == link else Direction.RX) in directions:
            return pair.service((frames.ports or (DISCARD_PORT,))[0])
    raise InputError(
        f"no node can send such datagrams over {link.name!r} in that direction, so their "
        "loss could not be seen",
        remedy="Omit `direction`, or drop tcp or icmp, whose answers come that way.",
    )


def _with_peer(topology: Topology, link: Link, frames: Match) -> list[Pair]:
    found = list(pairs(topology, link))
    if frames.peer is None:
        return found
    fitting = [pair for pair in found if pair.has(str(frames.peer))]
    if not fitting:
        addresses = sorted(
            {pair.asker.address for pair in found} | {pair.asked.address for pair in found}
        )
        raise InputError(
            f"no frame that a probe can send over {link.name!r} has the address {frames.peer}",
            remedy=f"Addresses there: {', '.join(map(str, addresses)) or 'none'}.",
        )
    return fitting
