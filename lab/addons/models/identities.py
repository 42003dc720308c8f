"""Identities: of agents and operator at the API server; of nodes at the cloud's inference server,
by an authority of its own."""

from __future__ import annotations

from edge_lab.addons.models.names import (
    AGENT,
    API_KEYS,
    OPERATOR,
    OPERATOR_KEYS,
    TLS_KEYS,
    unit,
)
from edge_lab.addons.tlsfiles import TlsFiles, server_and_edges, serving_spec, tls_files
from edge_lab.pki import (
    CLUSTER,
    CertificateSpec,
    IdentityRequest,
    InstalledCertificate,
    Pki,
    Request,
    TrustBundle,
    TrustDomain,
)
from edge_lab.provisioning.provision import GuestFile
from edge_lab.topology import Node, Topology

MODELS_DOMAIN = TrustDomain("models", "edge-lab models")
OPERATOR_USER = "edge-lab:models-operator"

API_FILES, INFERENCE_FILES, OPERATOR_FILES = map(
    TlsFiles.in_folder, (API_KEYS, TLS_KEYS, OPERATOR_KEYS)
)
"""Of a node's agent at the API server, for the cloud's inference server, and of the operator."""


def agent_identity(node: str) -> str:
    return f"models-agent-{node}"


def agent_user(node: str) -> str:
    """At the API server."""
    return f"edge-lab:models-agent:{node}"


def server_spec(address: str) -> CertificateSpec:
    """Of the cloud's inference server."""
    return serving_spec("edge-lab:models-server", address)


def client_spec(node: str) -> CertificateSpec:
    """Of a node that asks the cloud's server."""
    return CertificateSpec(f"edge-lab:models:{node}")


def models_requests(topology: Topology) -> tuple[Request, ...]:
    return (
        IdentityRequest(CLUSTER, OPERATOR, CertificateSpec(OPERATOR_USER)),
        *(
            IdentityRequest(
                CLUSTER, agent_identity(node.name), CertificateSpec(agent_user(node.name))
            )
            for node in topology.nodes
        ),
        *server_and_edges(topology, MODELS_DOMAIN, server_spec, client_spec),
    )


def key_files(topology: Topology, node: Node, pki: Pki) -> tuple[GuestFile, ...]:
    """All keys of a node."""
    found = [
        *tls_files(API_KEYS, CLUSTER, agent_identity(node.name), pki),
        *tls_files(TLS_KEYS, MODELS_DOMAIN, node.name, pki),
    ]
    if node.name == topology.server.name:
        found += tls_files(OPERATOR_KEYS, CLUSTER, OPERATOR, pki)
    return tuple(found)


def api_certificates(topology: Topology) -> tuple[InstalledCertificate, ...]:
    """What agents and operator present to the API server."""
    held = [
        (node.name, "models-agent", CertificateSpec(agent_user(node.name)), API_FILES, AGENT)
        for node in topology.nodes
    ]
    held.append(
        (
            topology.server.name,
            "models-operator",
            CertificateSpec(OPERATOR_USER),
            OPERATOR_FILES,
            OPERATOR,
        )
    )
    return tuple(
        paths.client_certificate(name, node, spec, unit(service))
        for node, name, spec, paths, service in held
    )


def api_trust(topology: Topology) -> tuple[TrustBundle, ...]:
    """The authority with which they verify it."""
    agents = (API_FILES.trust(node.name, unit(AGENT)) for node in topology.nodes)
    operator = OPERATOR_FILES.trust(topology.server.name, unit(OPERATOR))
    return (*agents, operator)
