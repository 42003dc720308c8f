"""The authorities and certificates that SPIRE starts from."""

from __future__ import annotations

from edge_lab.addons.spire.names import agent_nodes
from edge_lab.pki import (
    CLUSTER,
    AuthorityRequest,
    CertificateSpec,
    IdentityRequest,
    Request,
    TrustDomain,
)
from edge_lab.topology import Topology

SPIFFE_ROOT = TrustDomain("spiffe", "edge-lab SPIFFE root", intermediates=1)
"""Root of all SVIDs: it signs the server's own authority. Agents have it from the start, so that
they need not trust the server on first use, and it outlives any partition."""
SPIRE_NODES = TrustDomain("spire-nodes", "edge-lab SPIRE nodes")
"""The authority for node attestation. It is separate, as everything that it signs may be an
agent."""


def spire_requests(topology: Topology) -> tuple[Request, ...]:
    requests: list[Request] = [AuthorityRequest(SPIFFE_ROOT)]
    for node in agent_nodes(topology):
        requests += (
            IdentityRequest(SPIRE_NODES, node.name, CertificateSpec(node.name)),
            IdentityRequest(CLUSTER, kubelet_identity(node.name), kubelet_client(node.name)),
        )
    return tuple(requests)


def kubelet_identity(node: str) -> str:
    """The name of the certificate with which an agent queries its kubelet."""
    return f"spire-agent-{node}"


def kubelet_client(node: str) -> CertificateSpec:
    """Its contents."""
    return CertificateSpec(kubelet_user(node))


def kubelet_user(node: str) -> str:
    """The identity of an agent at its node's kubelet."""
    return f"edge-lab:spire-agent:{node}"
