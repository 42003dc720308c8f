"""Certificates signed with SHA-1, which the library that signs all others rightly refuses to make.

A good certificate is decoded (X.690, 8.1), its algorithm replaced, and signed again.
"""

from __future__ import annotations

import base64
import textwrap

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding

from edge_lab.pki import Authority, CertificateSpec, Identity
from edge_lab.pki.authority import load_key

SEQUENCE, BIT_STRING = b"\x30", b"\x03"
_EC = (
    bytes.fromhex("300a06082a8648ce3d040302"),  # ecdsa-with-SHA256
    bytes.fromhex("300906072a8648ce3d0401"),  # ecdsa-with-SHA1
)
_RSA = (
    bytes.fromhex("300d06092a864886f70d01010b0500"),  # sha256WithRSAEncryption
    bytes.fromhex("300d06092a864886f70d0101050500"),  # sha1WithRSAEncryption
)


def issue_over_sha1(authority: Authority, spec: CertificateSpec) -> Identity:
    """Like `authority.issue(spec)`, except for the hash."""
    identity = authority.issue(spec)
    key = load_key(authority.identity.key_pem)
    good, broken = _EC if isinstance(key, ec.EllipticCurvePrivateKey) else _RSA
    content = _content(identity.certificate.tbs_certificate_bytes)
    if content.count(good) != 1:
        raise ValueError("the certificate does not name its algorithm as expected")
    signed = _der(SEQUENCE, content.replace(good, broken))
    if isinstance(key, ec.EllipticCurvePrivateKey):
        signature = key.sign(signed, ec.ECDSA(hashes.SHA1()))  # noqa: S303
    else:
        signature = key.sign(signed, padding.PKCS1v15(), hashes.SHA1())  # noqa: S303
    whole = _der(SEQUENCE, signed + broken + _der(BIT_STRING, b"\x00" + signature))
    return Identity(_pem(whole), identity.key_pem)


def _content(der: bytes) -> bytes:
    """Of one element, without tag and length."""
    length = der[1]
    return der[2 + (length & 0x7F if length & 0x80 else 0) :]


def _der(tag: bytes, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return tag + bytes([size]) + content
    digits = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return tag + bytes([0x80 | len(digits)]) + digits + content


def _pem(der: bytes) -> bytes:
    lines = textwrap.wrap(base64.b64encode(der).decode(), 64)
    head, tail = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    return "\n".join([head, *lines, tail, ""]).encode()
