"""The ports of brokers."""

from __future__ import annotations

from collections.abc import Iterable

from edge_lab.addons.functions.identities import FUNCTIONS_DOMAIN, leaf_spec, server_spec
from edge_lab.addons.functions.names import (
    BROKER,
    CLIENT_PORT,
    LEAF_PORT,
    MONITOR_PORT,
    unit,
)
from edge_lab.addons.functions.ways import has_keda
from edge_lab.probes.cloudclient import CloudClient
from edge_lab.probes.endpoint import Endpoint, Reach, Speaks, plain_on_loopback
from edge_lab.probes.expected import ANYONE_BY_HTTP, MUTUAL_TLS, NOT_PROBED, loopback
from edge_lab.probes.request import Request
from edge_lab.topology import Topology

LEAVES = f"{BROKER}-leaves"
MONITOR = f"{BROKER}-monitor"
TLS_ALONE = MUTUAL_TLS.but("mutual TLS before any NATS message", plaintext=None)
"""No probe in plain text: the broker closes such a connection without an answer."""


def functions_endpoints(topology: Topology) -> Iterable[Endpoint]:
    yield Endpoint(
        name=LEAVES,
        node=topology.server.name,
        port=LEAF_PORT,
        speaks=Speaks.TLS,
        purpose="brokers of edge nodes, whose events are copied",
        admits="anyone with a certificate of the functions' authority, for any node",
        policy=TLS_ALONE,
        domain=FUNCTIONS_DOMAIN,
        right=leaf_spec("{client}"),
        request=None,
    )
    for node in (topology.server, *topology.edges):
        yield Endpoint(
            name=f"{BROKER}-clients",
            node=node.name,
            port=CLIENT_PORT,
            speaks=Speaks.OTHER,
            purpose="events, for their publishers and handlers",
            admits="anyone on the node, and pods in its network",
            policy=loopback(NOT_PROBED),
            reach=Reach.LOOPBACK,
            request=None,
        )
        if node in topology.edges and has_keda(topology):
            yield Endpoint(
                name=MONITOR,
                node=node.name,
                port=MONITOR_PORT,
                speaks=Speaks.HTTP,
                purpose="the broker's state: KEDA asks it from the server what waits",
                admits="anyone on the node's networks, without authentication: KEDA's scaler has "
                "no certificate. It tells of streams and connections, and has no events",
                policy=ANYONE_BY_HTTP,
                request=Request("/healthz"),
            )
        else:
            yield plain_on_loopback(
                MONITOR, node.name, MONITOR_PORT, "/healthz", "the broker's state"
            )


def leaf_clients(topology: Topology) -> tuple[CloudClient, ...]:
    """The brokers of edge nodes, which must refuse a false server."""
    address = str(topology.cluster_link(topology.server.name).address)
    return tuple(
        CloudClient(
            name=f"{BROKER} to its server",
            node=node.name,
            unit=unit(BROKER),
            address=address,
            port=LEAF_PORT,
            purpose="copies of events",
            server=server_spec(address),
            domain=FUNCTIONS_DOMAIN,
            dials_alone=True,
        )
        for node in topology.edges
    )
