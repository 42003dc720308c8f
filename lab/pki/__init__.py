"""Certificates of one lab: an authority per trust domain, a certificate per identity."""

from edge_lab.pki.authority import Authority, CertificateSpec, Identity, KeyKind, Usage
from edge_lab.pki.installed import HoldsCertificates, InstalledCertificate
from edge_lab.pki.pki import CLUSTER, DEVICES, Pki
from edge_lab.pki.requests import IdentityRequest, Request, SigningKeyRequest, TrustDomain

__all__ = [
    "CLUSTER",
    "DEVICES",
    "Authority",
    "CertificateSpec",
    "HoldsCertificates",
    "Identity",
    "IdentityRequest",
    "InstalledCertificate",
    "KeyKind",
    "Pki",
    "Request",
    "SigningKeyRequest",
    "TrustDomain",
    "Usage",
]
