"""A foreign authority of the same name, whoever made the real one."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from edge_lab.pki import Authority, CertificateSpec, KeyKind


@pytest.mark.parametrize(
    ("kind", "key"), [(KeyKind.EC, ec.EllipticCurvePublicKey), (KeyKind.RSA, rsa.RSAPublicKey)]
)
def test_an_impostor_has_the_name_and_the_kind_of_key_and_not_the_key(
    kind: KeyKind, key: type
) -> None:
    own = Authority.create("a cluster", kind)
    other = own.impostor()
    assert other.certificate.subject == own.certificate.subject == other.certificate.issuer
    assert isinstance(other.certificate.public_key(), key)
    issued: x509.Certificate = other.issue(CertificateSpec("node")).certificate
    issued.verify_directly_issued_by(other.certificate)
    with pytest.raises(InvalidSignature):
        issued.verify_directly_issued_by(own.certificate)
