"""Whom kube-proxy and CoreDNS of a node ask for Services, and as whom."""

from __future__ import annotations

from edge_lab.addons.base import AddOnContext
from edge_lab.addons.services.names import COREDNS, KUBE_PROXY
from edge_lab.pki import CLUSTER, CertificateSpec, IdentityRequest, Request
from edge_lab.stacks import ApiCache, kubeconfig
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
    requests: list[Request] = []
    for node in topology.nodes:
        dns = CertificateSpec(coredns_user(node.name), (COREDNS_GROUP,))
        specs = {KUBE_PROXY: CertificateSpec(KUBE_PROXY_USER), COREDNS: dns}
        requests += (
            IdentityRequest(CLUSTER, identity_name(program, node.name), spec)
            for program, spec in specs.items()
        )
    return tuple(requests)


def api_cache(ctx: AddOnContext, node: Node) -> ApiCache | None:
    """What answers for the API server on `node`; None where the API server itself is asked."""
    runtime = ctx.stack.runtime
    is_edge = node.name != ctx.topology.server.name
    return runtime if is_edge and isinstance(runtime, ApiCache) else None


def access_of(ctx: AddOnContext, node: Node, program: str) -> str:
    """The kubeconfig of `program` on `node`.

    Behind a cache of the runtime's it is nobody in particular: what the cache passes on bears
    the node's own certificate.
    """
    cache = api_cache(ctx, node)
    if cache is not None:
        return kubeconfig(cache.api_cache_url)
    identity = ctx.given.pki.identity(CLUSTER, identity_name(program, node.name))
    return kubeconfig(ctx.api.url, ca_pem=ctx.api.ca_pem, identity=identity)


def started_before(ctx: AddOnContext, node: Node) -> tuple[str, ...]:
    """The units that kube-proxy and CoreDNS of `node` are started after."""
    if node.name == ctx.topology.server.name:
        return (NETWORK, ctx.api.unit)
    cache = api_cache(ctx, node)
    return (NETWORK,) if cache is None else (NETWORK, cache.api_cache_unit)
