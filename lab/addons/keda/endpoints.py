"""The ports of KEDA's operator. All of them are on loopback."""

from __future__ import annotations

from edge_lab.addons.keda.identities import CLIENT
from edge_lab.addons.keda.names import HEALTH, METRICS, METRICS_SERVICE, OPERATOR
from edge_lab.probes.endpoint import Endpoint, Reach, Speaks, plain_on_loopback
from edge_lab.probes.expected import MUTUAL_TLS, loopback
from edge_lab.topology import Topology

BY_GRPC = MUTUAL_TLS.but("mutual TLS, gRPC", plaintext=None)
"""No probe in plain text: gRPC closes such a connection without an answer."""


def keda_endpoints(topology: Topology) -> tuple[Endpoint, ...]:
    server = topology.server.name
    return (
        Endpoint(
            name=f"{OPERATOR}-metrics-service",
            node=server,
            port=_port(METRICS_SERVICE),
            speaks=Speaks.TLS,
            purpose="values for KEDA's metrics adapter, which does not run",
            admits="anyone on the node with a certificate of the cluster's authority",
            policy=loopback(BY_GRPC),
            reach=Reach.LOOPBACK,
            right=CLIENT.spec,
            request=None,
            alpn=("h2",),
        ),
        plain_on_loopback(
            f"{OPERATOR}-metrics", server, _port(METRICS), "/metrics", "its own metrics"
        ),
        plain_on_loopback(f"{OPERATOR}-health", server, _port(HEALTH), "/healthz", "its health"),
    )


def _port(address: str) -> int:
    return int(address.rpartition(":")[2])
