"""Certificates of a lab: one authority per trust domain, one certificate per identity."""

from edge_lab.pki.authority import Authority, CertificateSpec, Identity, KeyKind, Usage
from edge_lab.pki.installed import ClientLog, HoldsCertificates, InstalledCertificate
from edge_lab.pki.pki import CLUSTER, DEVICES, Pki
from edge_lab.pki.requests import (
    AuthorityRequest,
    IdentityRequest,
    Request,
    SigningKeyRequest,
    TrustDomain,
)
from edge_lab.pki.secretfiles import KeepsSecrets, SecretFile
from edge_lab.pki.signing import BringsAuthorities, KeyAccess, LabSigner, Signer
from edge_lab.pki.succession import Stage, Succession
from edge_lab.pki.trust import (
    HoldsTrust,
    InstalledAuthority,
    KeepsAuthority,
    RequestedCertificate,
    TrustBundle,
    TrustForm,
)

__all__ = [
    "CLUSTER",
    "DEVICES",
    "Authority",
    "AuthorityRequest",
    "BringsAuthorities",
    "CertificateSpec",
    "ClientLog",
    "HoldsCertificates",
    "HoldsTrust",
    "Identity",
    "IdentityRequest",
    "InstalledAuthority",
    "InstalledCertificate",
    "KeepsAuthority",
    "KeepsSecrets",
    "KeyAccess",
    "KeyKind",
    "LabSigner",
    "Pki",
    "Request",
    "RequestedCertificate",
    "SecretFile",
    "Signer",
    "SigningKeyRequest",
    "Stage",
    "Succession",
    "TrustBundle",
    "TrustDomain",
    "TrustForm",
    "Usage",
]
