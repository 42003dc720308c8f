"""Certificate chains in OPC UA: concatenated DER certificates, the leaf first.

OPC 10000-6, 6.2.6.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

LONGEST = 10
"""Certificates in a chain."""
_SEQUENCE = 0x30
_LONG_FORM = 0x80


@dataclass(frozen=True)
class Chain:
    """A certificate, and the issuers that its owner has sent with it."""

    leaf: x509.Certificate
    issuers: tuple[x509.Certificate, ...] = ()

    @property
    def subject(self) -> str:
        return self.leaf.subject.rfc4514_string()

    @property
    def leaf_der(self) -> bytes:
        return self.leaf.public_bytes(Encoding.DER)


def read_chain(data: bytes) -> Chain:
    """Splits a chain into certificates.

    Raises:
        ValueError: it is empty, too long, or contains something else.
    """
    found: list[x509.Certificate] = []
    while data:
        if len(found) == LONGEST:
            raise ValueError(f"more than {LONGEST} certificates")
        size = _size(data)
        found.append(x509.load_der_x509_certificate(data[:size]))
        data = data[size:]
    if not found:
        raise ValueError("no certificate")
    return Chain(found[0], tuple(found[1:]))


def _size(data: bytes) -> int:
    """Length of the DER value at the beginning of `data`."""
    if len(data) < 2 or data[0] != _SEQUENCE:
        raise ValueError("not a DER certificate")
    length, header = data[1], 2
    if length & _LONG_FORM:
        header += length & ~_LONG_FORM
        length = int.from_bytes(data[2:header], "big")
    if header + length > len(data):
        raise ValueError("a truncated certificate")
    return header + length


def has_rsa_key(certificate: x509.Certificate, bits: Container[int]) -> bool:
    """Whether it has an RSA key of an allowed length."""
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return False
    return isinstance(key, rsa.RSAPublicKey) and key.key_size in bits


# -- who has issued what -----------------------------------------------------------------


def is_authority(certificate: x509.Certificate) -> bool:
    """Whether it may issue certificates."""
    extensions = certificate.extensions
    try:
        if not extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            return False
    except x509.ExtensionNotFound:
        return False
    try:
        return extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    except x509.ExtensionNotFound:
        return True


def signed_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def is_issued(
    chain: Chain, authorities: Sequence[x509.Certificate], at: datetime | None = None
) -> bool:
    """Whether the leaf was issued by one of the authorities, directly or through the chain.

    Intermediate certificates must be valid at the given time, if any, and obey the path length
    constraints.
    """
    between = [
        issuer
        for issuer in chain.issuers
        if is_authority(issuer)
        and (at is None or issuer.not_valid_before_utc <= at <= issuer.not_valid_after_utc)
    ]

    def reaches(certificate: x509.Certificate, below: int, left: list[x509.Certificate]) -> bool:
        if any(_may_issue(root, below) and signed_by(certificate, root) for root in authorities):
            return True
        return any(
            _may_issue(issuer, below)
            and signed_by(certificate, issuer)
            and reaches(issuer, below + 1, [other for other in left if other is not issuer])
            for issuer in left
        )

    return reaches(chain.leaf, 0, between)


def _may_issue(authority: x509.Certificate, below: int) -> bool:
    """Whether its path length constraint allows this number of intermediate authorities."""
    try:
        constraints = authority.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        return True
    return constraints.path_length is None or below <= constraints.path_length
