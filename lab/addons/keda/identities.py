"""The operator's identity at the API server, which its metrics service presents too."""

from __future__ import annotations

from edge_lab.addons.keda.names import HOME, OPERATOR, OPERATOR_UNIT
from edge_lab.addons.tlsfiles import TlsFiles, tls_files
from edge_lab.pki import (
    CLUSTER,
    CertificateSpec,
    IdentityRequest,
    InstalledCertificate,
    Pki,
    TrustBundle,
)
from edge_lab.provisioning.provision import GuestFile
from edge_lab.topology import Topology

USER = "edge-lab:keda-operator"
SPEC = CertificateSpec(USER)
KEYS = TlsFiles.in_folder(HOME)
REQUEST = IdentityRequest(CLUSTER, OPERATOR, SPEC)


def key_files(pki: Pki) -> tuple[GuestFile, ...]:
    return tls_files(HOME, CLUSTER, OPERATOR, pki)


def certificate_on(topology: Topology) -> InstalledCertificate:
    """What it presents to the API server."""
    return KEYS.client_certificate(OPERATOR, topology.server.name, SPEC, OPERATOR_UNIT)


def trust_on(topology: Topology) -> TrustBundle:
    """The authority with which it verifies the API server, and clients of its metrics service."""
    return KEYS.trust(topology.server.name, OPERATOR_UNIT)
