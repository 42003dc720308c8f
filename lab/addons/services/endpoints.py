"""The ports of kube-proxy and CoreDNS."""

from __future__ import annotations

from collections.abc import Iterable

from edge_lab.addons.services.dns import HEALTH, METRICS, READY
from edge_lab.addons.services.names import COREDNS, DNS_PORT, KUBE_PROXY
from edge_lab.addons.services.proxy import HEALTH as PROXY_HEALTH
from edge_lab.addons.services.proxy import METRICS as PROXY_METRICS
from edge_lab.core.ports import port_of
from edge_lab.probes.endpoint import Endpoint, Speaks, plain_on_loopback
from edge_lab.topology import Node

_LOCAL = (
    (f"{COREDNS}-ready", READY, "/ready"),
    (f"{COREDNS}-health", HEALTH, "/health"),
    (f"{COREDNS}-metrics", METRICS, "/metrics"),
    (f"{KUBE_PROXY}-health", PROXY_HEALTH, "/healthz"),
    (f"{KUBE_PROXY}-metrics", PROXY_METRICS, "/metrics"),
)


def service_endpoints(nodes: Iterable[Node]) -> tuple[Endpoint, ...]:
    return tuple(endpoint for node in nodes for endpoint in _of(node))


def _of(node: Node) -> Iterable[Endpoint]:
    yield Endpoint(
        name="dns",
        node=node.name,
        port=DNS_PORT,
        speaks=Speaks.OTHER,
        purpose="names of Services and of the lab",
        admits="anyone on the node's networks",
    )
    for name, listens, path in _LOCAL:
        port, purpose = port_of(listens), f"{path} of {name.rpartition('-')[0]}"
        yield plain_on_loopback(name, node.name, port, path, purpose)
