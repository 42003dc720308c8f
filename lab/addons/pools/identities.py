"""yurt-manager's identity at the API server."""

from __future__ import annotations

from edge_lab.addons.pools.names import HOME, YURT_MANAGER, YURT_MANAGER_UNIT
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

USER = "edge-lab:yurt-manager"
SPEC = CertificateSpec(USER)
KEYS = TlsFiles.in_folder(HOME)
REQUEST = IdentityRequest(CLUSTER, YURT_MANAGER, SPEC)


def key_files(pki: Pki) -> tuple[GuestFile, ...]:
    return tls_files(HOME, CLUSTER, YURT_MANAGER, pki)


def certificate_on(topology: Topology) -> InstalledCertificate:
    """What it presents to the API server. Its controllers write with tokens of their service
    accounts, which it requests by this certificate."""
    return KEYS.client_certificate(YURT_MANAGER, topology.server.name, SPEC, YURT_MANAGER_UNIT)


def trust_on(topology: Topology) -> TrustBundle:
    """The authority with which it verifies the API server."""
    return KEYS.trust(topology.server.name, YURT_MANAGER_UNIT)
