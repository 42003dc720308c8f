"""The ports of the controller manager."""

from __future__ import annotations

from edge_lab.addons.nodejobs.names import HEALTH, MANAGER, METRICS_PORT
from edge_lab.core.ports import port_of
from edge_lab.probes.endpoint import Endpoint, Speaks, plain_on_loopback
from edge_lab.probes.expected import ANYONE_BY_HTTP
from edge_lab.probes.request import Request
from edge_lab.topology import Topology


def node_jobs_endpoints(topology: Topology) -> tuple[Endpoint, ...]:
    server = topology.server.name
    return (
        Endpoint(
            name=f"{MANAGER}-metrics",
            node=server,
            port=METRICS_PORT,
            speaks=Speaks.HTTP,
            purpose="metrics of the controller manager",
            admits="anyone, without authentication: v1.23.1 has no option for it",
            policy=ANYONE_BY_HTTP,
            request=Request("/metrics"),
        ),
        plain_on_loopback(f"{MANAGER}-health", server, port_of(HEALTH), "/healthz", "its health"),
    )
