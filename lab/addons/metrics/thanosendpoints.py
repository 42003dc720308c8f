"""The ports of Thanos' parts, and the sidecars as clients of the S3 server."""

from __future__ import annotations

from collections.abc import Iterable

from edge_lab.addons.metrics.identities import METRICS_DOMAIN, receiver_spec, sender_spec
from edge_lab.addons.metrics.names import (
    OBJECTS,
    OBJECTS_PORT,
    QUERY,
    QUERY_GRPC,
    QUERY_PORT,
    SIDECAR,
    SIDECAR_HTTP,
    SIDECAR_PORT,
    STORE,
    STORE_HTTP,
    STORE_PORT,
    unit,
)
from edge_lab.core.ports import port_of
from edge_lab.probes.cloudclient import CloudClient
from edge_lab.probes.endpoint import Endpoint, Reach, Speaks, plain_on_loopback
from edge_lab.probes.expected import ANYONE_BY_TLS, MUTUAL_TLS, NOT_PROBED, loopback
from edge_lab.probes.request import Request
from edge_lab.topology import Topology

BY_GRPC = MUTUAL_TLS.but("mutual TLS, gRPC", plaintext=None)
"""No probe in plain text: gRPC closes such a connection without an answer."""
BY_ACCESS_KEY = ANYONE_BY_TLS.but("anyone by TLS, requests by access key", plaintext=None)
"""The same for the S3 server. Without an access key it answers its health check alone."""


def thanos_endpoints(topology: Topology) -> Iterable[Endpoint]:
    server = topology.server.name
    yield Endpoint(
        name=OBJECTS,
        node=server,
        port=OBJECTS_PORT,
        speaks=Speaks.HTTPS,
        purpose="blocks of metrics, by S3",
        admits="who has the access key, which every sidecar has: to read, write and delete the "
        "blocks of all nodes",
        policy=BY_ACCESS_KEY,
        domain=METRICS_DOMAIN,
        request=Request("/healthz"),
    )
    yield Endpoint(
        name=QUERY,
        node=server,
        port=QUERY_PORT,
        speaks=Speaks.HTTPS,
        purpose="queries of all nodes' metrics",
        admits="who has a certificate of the metrics' own authority",
        policy=MUTUAL_TLS,
        domain=METRICS_DOMAIN,
        right=sender_spec("{client}"),
        request=Request("/-/ready"),
    )
    yield _grpc_on_loopback(
        f"{QUERY}-grpc", server, port_of(QUERY_GRPC), "queries by other queriers"
    )
    yield _grpc_on_loopback(STORE, server, STORE_PORT, "blocks, for the querier")
    yield plain_on_loopback(
        f"{STORE}-http", server, port_of(STORE_HTTP), "/-/healthy", "metrics of the store gateway"
    )
    for node in topology.edges:
        yield Endpoint(
            name=SIDECAR,
            node=node.name,
            port=SIDECAR_PORT,
            speaks=Speaks.TLS,
            purpose="samples that are not in the object storage yet, for the querier",
            admits="who has a certificate of the metrics' own authority, of any node",
            policy=BY_GRPC,
            domain=METRICS_DOMAIN,
            right=sender_spec("{client}"),
            request=None,
            alpn=("h2",),
        )
        yield plain_on_loopback(
            f"{SIDECAR}-http",
            node.name,
            port_of(SIDECAR_HTTP),
            "/-/healthy",
            "metrics of the sidecar",
        )


def _grpc_on_loopback(name: str, node: str, port: int, purpose: str) -> Endpoint:
    return Endpoint(
        name=name,
        node=node,
        port=port,
        speaks=Speaks.OTHER,
        purpose=purpose,
        admits="anyone on the node",
        policy=loopback(NOT_PROBED),
        reach=Reach.LOOPBACK,
        request=None,
    )


def sidecar_clients(topology: Topology) -> tuple[CloudClient, ...]:
    """The sidecars, which connect when a block is complete, and again until it is uploaded."""
    address = str(topology.cluster_link(topology.server.name).address)
    return tuple(
        CloudClient(
            name=f"{SIDECAR} to S3 server",
            node=node.name,
            unit=unit(SIDECAR),
            address=address,
            port=OBJECTS_PORT,
            purpose="blocks of metrics",
            server=receiver_spec(address),
            domain=METRICS_DOMAIN,
            dials_alone=True,
        )
        for node in topology.edges
    )
