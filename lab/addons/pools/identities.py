"""yurt-manager's identity at the API server."""

from __future__ import annotations

from edge_lab.addons.pools.names import HOME, YURT_MANAGER, YURT_MANAGER_UNIT
from edge_lab.addons.tlsfiles import CA, CERTIFICATE, KEY, tls_files
from edge_lab.pki import (
    CLUSTER,
    CertificateSpec,
    IdentityRequest,
    InstalledCertificate,
    LabSigner,
    Pki,
    TrustBundle,
)
from edge_lab.provisioning.provision import GuestFile
from edge_lab.topology import Topology

USER = "edge-lab:yurt-manager"
SPEC = CertificateSpec(USER)
REQUEST = IdentityRequest(CLUSTER, YURT_MANAGER, SPEC)


def key_files(pki: Pki) -> tuple[GuestFile, ...]:
    return tls_files(HOME, CLUSTER, YURT_MANAGER, pki)


def certificate_on(topology: Topology) -> InstalledCertificate:
    """What it presents to the API server. Its controllers write with tokens of their service
    accounts, which it requests by this certificate."""
    return InstalledCertificate(
        name=YURT_MANAGER,
        node=topology.server.name,
        spec=SPEC,
        signer=LabSigner(CLUSTER),
        certificate=f"{HOME}/{CERTIFICATE}",
        key=f"{HOME}/{KEY}",
        unit=YURT_MANAGER_UNIT,
    )


def trust_on(topology: Topology) -> TrustBundle:
    """The authority with which it verifies the API server."""
    return TrustBundle(topology.server.name, CLUSTER, f"{HOME}/{CA}", (YURT_MANAGER_UNIT,))
