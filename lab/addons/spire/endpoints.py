"""The ports of the server and of agents."""

from __future__ import annotations

from collections.abc import Iterable

from edge_lab.addons.spire.names import (
    AGENT_HEALTH,
    AGENT_UNIT,
    SERVER_HEALTH,
    SERVER_PORT,
    SPIFFE_ROOT,
    SPIRE_AGENT,
    SPIRE_SERVER,
    agent_nodes,
    server_id,
)
from edge_lab.core.ports import port_of
from edge_lab.pki import CertificateSpec, Usage
from edge_lab.probes.cloudclient import SPIFFE_CLIENT, CloudClient
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
        # A certificate is verified if presented; each call determines whether it needs an agent's.
        admits="anyone, for attestation; an agent, for the identities of its node",
        request=None,
    )
    yield plain_on_loopback(
        f"{SPIRE_SERVER}-health",
        topology.server.name,
        port_of(SERVER_HEALTH),
        "/ready",
        "the server's health",
    )
    for node in agent_nodes(topology):
        yield plain_on_loopback(
            f"{SPIRE_AGENT}-health",
            node.name,
            port_of(AGENT_HEALTH),
            "/ready",
            "the agent's health",
        )


def spire_clients(topology: Topology) -> tuple[CloudClient, ...]:
    """The agents of edge nodes, which connect to the server at each attestation and renewal.

    An agent exits when it meets an unknown authority (runSynchronizer in SPIRE's
    pkg/agent/manager/manager.go), and is restarted.
    """
    server = topology.server.name
    return tuple(
        CloudClient(
            name=f"{SPIRE_AGENT} to {SPIRE_SERVER}",
            node=node.name,
            unit=AGENT_UNIT,
            address=str(topology.cluster_link(server).address),
            port=SERVER_PORT,
            purpose="attestation of the node, and its pods' SVIDs",
            server=CertificateSpec(
                SPIRE_SERVER, uris=(server_id(),), usages=(Usage.SERVER, Usage.CLIENT)
            ),
            domain=SPIFFE_ROOT,
            policy=SPIFFE_CLIENT,
            dials_alone=True,
            health_url=f"http://{AGENT_HEALTH}/ready",
        )
        for node in topology.edges
        if node in agent_nodes(topology)
    )
