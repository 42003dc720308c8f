"""The authority and the token that cloudcore has created, read from the cluster."""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from edge_lab.cluster.kubectl import Kubectl
from edge_lab.cluster.secrets import secret_data
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.pki import Authority, Identity

NAMESPACE, SECRET = "kubeedge", "casecret"
TOKEN_SECRET = "tokensecret"  # noqa: S105 - its name
"""The Secret with cloudcore's join token."""


def join_token(kubectl: Kubectl, deadline: Deadline) -> str:
    """The bearer token, without its prefix, the digest of the authority's certificate; LabError if
    there is none."""
    data = secret_data(kubectl, NAMESPACE, TOKEN_SECRET, deadline)
    token = data.get("tokendata", b"").decode().partition(".")[2]
    if not token:
        raise LabError(f"the Secret {NAMESPACE}/{TOKEN_SECRET} contains no token")
    return token


def authority_of(certificate_der: bytes, key_der: bytes) -> Authority:
    """From the certificate and key (SEC 1) in DER, as cloudcore writes them."""
    certificate = x509.load_der_x509_certificate(certificate_der)
    key = serialization.load_der_private_key(key_der, password=None)
    return Authority(
        Identity(
            certificate.public_bytes(serialization.Encoding.PEM),
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ),
        )
    )
