"""The ports of yurt-manager."""

from __future__ import annotations

from edge_lab.addons.pools.names import HEALTH, METRICS, WEBHOOK_PORT, YURT_MANAGER
from edge_lab.core.ports import port_of
from edge_lab.probes.endpoint import Endpoint, Speaks, plain_on_loopback
from edge_lab.probes.expected import ANYONE_BY_TLS, let_in
from edge_lab.probes.request import Request
from edge_lab.topology import Topology


def pools_endpoints(topology: Topology) -> tuple[Endpoint, ...]:
    server = topology.server.name
    return (
        Endpoint(
            name=f"{YURT_MANAGER}-webhooks",
            node=server,
            port=WEBHOOK_PORT,
            speaks=Speaks.HTTPS,
            purpose="admission webhooks, which no configuration calls",
            admits="anyone: yurt-manager authenticates no client, and answers alone",
            policy=ANYONE_BY_TLS.but(none=let_in(404), foreign_ca=let_in(404)),
            # There is nothing at this path.
            request=Request("/"),
        ),
        *(
            plain_on_loopback(name, server, port_of(address), path, purpose)
            for name, address, path, purpose in (
                (f"{YURT_MANAGER}-metrics", METRICS, "/metrics", "its metrics and profiles"),
                (f"{YURT_MANAGER}-health", HEALTH, "/healthz", "its health"),
            )
        ),
    )
