"""The authorities and certificates that SPIRE starts from."""

from __future__ import annotations

from edge_lab.addons.spire.names import SPIFFE_ROOT, agent_nodes
from edge_lab.pki import (
    CLUSTER,
    AuthorityRequest,
    CertificateSpec,
    IdentityRequest,
    Request,
    TrustDomain,
)
from edge_lab.topology import Topology

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
