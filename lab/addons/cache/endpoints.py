"""The ports of the registry, of the data sets, and of caches."""

from __future__ import annotations

from collections.abc import Iterable

from edge_lab.addons.cache.identities import REGISTRIES
from edge_lab.addons.cache.names import (
    CACHE,
    CACHE_PORT,
    DATA_PORT,
    ORIGIN_PORT,
    SITE_PORT,
    STAGE_PORT,
    cache_addon,
    site_peers,
)
from edge_lab.probes.endpoint import Endpoint, Speaks, plain_on_loopback
from edge_lab.probes.expected import ANYONE_BY_TLS
from edge_lab.probes.request import Request
from edge_lab.topology import Node, Topology


def cache_endpoints(topology: Topology) -> tuple[Endpoint, ...]:
    return tuple(_endpoints(topology))


def _endpoints(topology: Topology) -> Iterable[Endpoint]:
    server, kind = topology.server.name, cache_addon(topology)
    yield _anyone("registry", server, ORIGIN_PORT, "/v2/", "images for the edge nodes")
    if kind == CACHE:
        yield _anyone("data", server, DATA_PORT, "/healthz", "data sets for the edge nodes")
    for node in topology.edges:
        purpose = "images and data for programs of the node"
        yield plain_on_loopback("cache", node.name, CACHE_PORT, "/v2/", purpose)
        if kind == CACHE:
            purpose = "data for pods, and images for other nodes"
            yield _anyone("site-cache", node.name, SITE_PORT, "/healthz", purpose)
            yield from _stages(topology, node)


def _anyone(name: str, node: str, port: int, path: str, purpose: str) -> Endpoint:
    return Endpoint(
        name=name,
        node=node,
        port=port,
        speaks=Speaks.HTTPS,
        purpose=purpose,
        admits="anyone on its networks, read-only: the content is not secret",
        policy=ANYONE_BY_TLS,
        domain=REGISTRIES,
        request=Request(path),
    )


def _stages(topology: Topology, node: Node) -> Iterable[Endpoint]:
    upstreams = ("registry", "data", *(peer for peer, _ in site_peers(topology, node)))
    for number, upstream in enumerate(upstreams):
        yield plain_on_loopback(
            f"cache-to-{upstream}",
            node.name,
            STAGE_PORT + number,
            "/healthz",
            f"by which the cache reaches {upstream}",
        )
