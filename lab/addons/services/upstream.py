"""The source of Services for kube-proxy and CoreDNS of a node, and their identity there."""

from __future__ import annotations

from edge_lab.addons.base import AddOnContext
from edge_lab.addons.services.names import COREDNS, KUBE_PROXY
from edge_lab.pki import CLUSTER, CertificateSpec, IdentityRequest, Request
from edge_lab.stacks import ApiCache, Stack
from edge_lab.topology import Node, Topology

KUBE_PROXY_USER = "system:kube-proxy"
"""Kubernetes' user name: its default binding gives it the role system:node-proxier."""
COREDNS_GROUP = "edge-lab:coredns"
NETWORK = "systemd-networkd.service"
"""The unit that gives the node the address that CoreDNS listens on."""


def coredns_user(node: str) -> str:
    """The identity of CoreDNS on a node at the API server."""
    return f"edge-lab:coredns:{node}"


def identity_name(program: str, node: str) -> str:
    """The name of the certificate of a program on a node."""
    return f"{program}-{node}"


def service_requests(topology: Topology) -> tuple[Request, ...]:
    """The certificates of kube-proxy and CoreDNS on each node."""
    return tuple(
        IdentityRequest(CLUSTER, identity_name(program, node.name), spec)
        for node in topology.nodes
        for program, spec in program_specs(node).items()
    )


def program_specs(node: Node) -> dict[str, CertificateSpec]:
    """The identities of kube-proxy and CoreDNS of `node`, if they connect to the API server
    directly."""
    dns = CertificateSpec(coredns_user(node.name), (COREDNS_GROUP,))
    return {KUBE_PROXY: CertificateSpec(KUBE_PROXY_USER), COREDNS: dns}


def api_cache(topology: Topology, node: Node, stack: Stack) -> ApiCache | None:
    """The cache that answers for the API server on `node`; None for the API server itself.

    Behind a cache, programs have no identity of their own: it forwards with the node's certificate.
    """
    is_edge = node.name != topology.server.name
    return stack.runtime if is_edge and isinstance(stack.runtime, ApiCache) else None


def started_before(ctx: AddOnContext, node: Node) -> tuple[str, ...]:
    """The units that kube-proxy and CoreDNS of `node` are started after."""
    if node.name == ctx.topology.server.name:
        return (NETWORK, ctx.api.unit)
    cache = api_cache(ctx.topology, node, ctx.stack)
    return (NETWORK,) if cache is None else (NETWORK, cache.api_cache_unit)
