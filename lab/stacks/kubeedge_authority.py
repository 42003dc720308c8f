"""The authority that cloudcore has made for itself, as the cluster keeps it."""

from __future__ import annotations

import base64

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from edge_lab.cluster.kubectl import Kubectl
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.pki import Authority, Identity

NAMESPACE, SECRET = "kubeedge", "casecret"


def kubeedge_authority(kubectl: Kubectl, deadline: Deadline) -> Authority:
    """LabError if cloudcore has none yet."""
    found = kubectl.find("secret", SECRET, "-n", NAMESPACE, deadline=deadline)
    if not found:
        raise LabError(f"cloudcore has not made its secret {SECRET} yet")
    data = {name: base64.b64decode(value) for name, value in found["data"].items()}
    return authority_of(data["cadata"], data["cakeydata"])


def authority_of(certificate_der: bytes, key_der: bytes) -> Authority:
    """From DER, as cloudcore writes certificate and (SEC 1) key."""
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
