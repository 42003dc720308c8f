"""The operator's identity at the API server, which its metrics service presents too."""

from __future__ import annotations

from edge_lab.addons.keda.names import HOME, OPERATOR, OPERATOR_UNIT
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

USER = "edge-lab:keda-operator"
SPEC = CertificateSpec(USER)
REQUEST = IdentityRequest(CLUSTER, OPERATOR, SPEC)


def key_files(pki: Pki) -> tuple[GuestFile, ...]:
    return tls_files(HOME, CLUSTER, OPERATOR, pki)


def certificate_on(topology: Topology) -> InstalledCertificate:
    """What it presents to the API server."""
    return InstalledCertificate(
        name=OPERATOR,
        node=topology.server.name,
        spec=SPEC,
        signer=LabSigner(CLUSTER),
        certificate=f"{HOME}/{CERTIFICATE}",
        key=f"{HOME}/{KEY}",
        unit=OPERATOR_UNIT,
    )


def trust_on(topology: Topology) -> TrustBundle:
    """The authority with which it verifies the API server, and clients of its metrics service."""
    return TrustBundle(topology.server.name, CLUSTER, f"{HOME}/{CA}", (OPERATOR_UNIT,))
