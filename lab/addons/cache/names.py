"""Names and ports of the parts of the add-on, and the nodes that have them."""

from __future__ import annotations

from typing import Final

from edge_lab.images import DebianProgram
from edge_lab.stacks import Stack
from edge_lab.stacks.node import CONFIG
from edge_lab.topology import Cri, Link, Node, Topology

CACHE = "cache"
"""The add-on whose cache is nginx, and the capability of a node that pulls through a cache."""
PULL_THROUGH = "pull-through"
"""The add-on whose cache is docker-registry as a pull-through cache."""
OUTLIVES_UPSTREAM = "cache-outlives-upstream"
"""The capability of a node whose cache serves its content even without its upstream."""

NGINX: Final = DebianProgram("nginx", "usr/sbin/nginx")
REGISTRY: Final = DebianProgram("docker-registry", "usr/bin/docker-registry")

REGISTRY_NAME = "registry.edge-lab.local"
"""The registry in the names of images; nodes pull from it through their caches."""
DIRECT_NAME = "direct.edge-lab.local"
"""The same registry, by a name that bypasses the caches."""
DATA_NAME = "data.edge-lab.local"
"""The server of the data sets, in its certificate."""

ORIGIN_PORT, DATA_PORT = 5000, 5444
"""Ports of the server: the registry, and the data sets."""
CACHE_PORT = 5001
"""Port of an edge node, on loopback: for containerd and programs of the node."""
SITE_PORT = 5443
"""Port of an edge node, on its links: for data of pods, and cached content for other nodes."""
STAGE_PORT = 5010
"""The first of the loopback ports through which nginx reaches its upstreams."""

ORIGIN_UNIT, DATA_UNIT = "edge-lab-registry.service", "edge-lab-data.service"
CACHE_UNIT = "edge-lab-cache.service"

KEYS = f"{CONFIG}/cache"
"""Configuration, certificate and key, and the authority, on each node."""
AUTHORITY, CERTIFICATE, KEY = f"{KEYS}/ca.crt", f"{KEYS}/tls.crt", f"{KEYS}/tls.key"
STATE = "/var/cache/edge-lab"
"""Folder of the cache on an edge node."""
CERTS_D = "/etc/containerd/certs.d"

WITHOUT_CERTS_D = frozenset({"k3s"})
"""Edge runtimes with their own containerd, which does not read certs.d of the node."""


def cache_addon(topology: Topology) -> str:
    """The cache add-on of the topology; empty if there is none."""
    return next((name for name in topology.addons if name in (CACHE, PULL_THROUGH)), "")


def has_cache(topology: Topology, node: Node) -> bool:
    """Whether there is a cache on `node`."""
    return bool(cache_addon(topology)) and node in topology.edges


def pulls_through(topology: Topology, node: Node, stack: Stack) -> bool:
    """Whether the container runtime of `node` uses the cache there."""
    return (
        has_cache(topology, node)
        and node.cri is Cri.CONTAINERD
        and stack.runtime.name not in WITHOUT_CERTS_D
    )


def site_peers(topology: Topology, node: Node) -> tuple[tuple[str, Link], ...]:
    """The other edge nodes with a cache, and the link of each by which `node` reaches it.

    Over another network than the cloud's, if they share one: it works when the uplinks do not.
    """
    return tuple(
        (other.name, link)
        for other in topology.edges
        if other != node and (link := _shared_link(topology, node, other)) is not None
    )


def _shared_link(topology: Topology, node: Node, other: Node) -> Link | None:
    networks = {link.network for link in topology.links_of(node.name)}
    shared = [link for link in topology.links_of(other.name) if link.network in networks]
    cloud = topology.cluster_network.name
    return next((link for link in shared if link.network != cloud), shared[0] if shared else None)
