"""Whom kube-proxy and CoreDNS of a node ask for Services, and as whom."""

from __future__ import annotations

from edge_lab.addons.base import AddOnContext
from edge_lab.addons.services.names import COREDNS, KUBE_PROXY
from edge_lab.pki import CLUSTER, CertificateSpec, IdentityRequest, Request
from edge_lab.stacks import ApiCache, Stack
from edge_lab.topology import Node, Topology

KUBE_PROXY_USER = "system:kube-proxy"
"""Kubernetes' own: its default binding gives this user the role system:node-proxier."""
COREDNS_GROUP = "edge-lab:coredns"
NETWORK = "systemd-networkd.service"
"""What gives the node the address that CoreDNS listens on."""


def coredns_user(node: str) -> str:
    """Who the CoreDNS on a node is to the API server."""
    return f"edge-lab:coredns:{node}"


def identity_name(program: str, node: str) -> str:
    """The name under which the certificate of a program on a node is kept."""
    return f"{program}-{node}"


def service_requests(topology: Topology) -> tuple[Request, ...]:
    """The certificates of kube-proxy and CoreDNS on each node."""
    return tuple(
        IdentityRequest(CLUSTER, identity_name(program, node.name), spec)
        for node in topology.nodes
        for program, spec in program_specs(node).items()
    )


def program_specs(node: Node) -> dict[str, CertificateSpec]:
    """Who kube-proxy and CoreDNS of `node` are to the API server, where they ask it themselves."""
    dns = CertificateSpec(coredns_user(node.name), (COREDNS_GROUP,))
    return {KUBE_PROXY: CertificateSpec(KUBE_PROXY_USER), COREDNS: dns}


def api_cache(topology: Topology, node: Node, stack: Stack) -> ApiCache | None:
    """What answers for the API server on `node`; None where the API server itself is asked.

    Behind a cache, programs are nobody in particular: what it passes on bears the node's own
    certificate.
    """
    is_edge = node.name != topology.server.name
    return stack.runtime if is_edge and isinstance(stack.runtime, ApiCache) else None


def started_before(ctx: AddOnContext, node: Node) -> tuple[str, ...]:
    """The units that kube-proxy and CoreDNS of `node` are started after."""
    if node.name == ctx.topology.server.name:
        return (NETWORK, ctx.api.unit)
    cache = api_cache(ctx.topology, node, ctx.stack)
    return (NETWORK,) if cache is None else (NETWORK, cache.api_cache_unit)
