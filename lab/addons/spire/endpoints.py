"""The ports of the server and of agents."""

from __future__ import annotations

from collections.abc import Iterable

from edge_lab.addons.spire.names import (
    AGENT_HEALTH,
    SERVER_HEALTH,
    SERVER_PORT,
    SPIRE_AGENT,
    SPIRE_SERVER,
    agent_nodes,
)
from edge_lab.probes.endpoint import Endpoint, Speaks, plain_on_loopback
from edge_lab.topology import Topology


def spire_endpoints(topology: Topology) -> tuple[Endpoint, ...]:
    return tuple(_endpoints(topology))


def _endpoints(topology: Topology) -> Iterable[Endpoint]:
    yield Endpoint(
        name=SPIRE_SERVER,
        node=topology.server.name,
        port=SERVER_PORT,
        speaks=Speaks.TLS,
        purpose="attestation of nodes, and their SVIDs, by gRPC",
        # A certificate is verified if one is shown; each call says whether it needs an agent's.
        admits="anyone, to prove to be a node; who has an agent's SVID, for what its node may have",
        request=None,
    )
    yield plain_on_loopback(
        f"{SPIRE_SERVER}-health",
        topology.server.name,
        _port(SERVER_HEALTH),
        "/ready",
        "the server's health",
    )
    for node in agent_nodes(topology):
        yield plain_on_loopback(
            f"{SPIRE_AGENT}-health", node.name, _port(AGENT_HEALTH), "/ready", "the agent's health"
        )


def _port(listens: str) -> int:
    return int(listens.rpartition(":")[2])
