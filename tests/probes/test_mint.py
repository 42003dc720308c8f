"""The certificates that probes show: each wrong in one way, and right in all others."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from edge_lab.pki import Authority, Identity, KeyKind
from edge_lab.probes.mint import Mint
from tests.probes.conftest import OTHER, SPEC


def is_signed_by(certificate: x509.Certificate, authority: Authority) -> bool:
    try:
        certificate.verify_directly_issued_by(authority.certificate)
    except (InvalidSignature, ValueError):
        return False
    return True


def test_the_good_one_is_the_right_peers(mint: Mint) -> None:
    good = mint.good().certificate
    assert is_signed_by(good, mint.authority)
    assert SPEC.common_name in good.subject.rfc4514_string()


@pytest.mark.parametrize("make", [Mint.foreign, Mint.foreign_of_same_name, Mint.self_signed])
def test_foreign_ones_name_the_right_peer_and_have_another_authority(
    mint: Mint, make: Callable[[Mint], Identity]
) -> None:
    certificate = make(mint).certificate
    assert SPEC.common_name in certificate.subject.rfc4514_string()
    assert not is_signed_by(certificate, mint.authority)


def test_one_foreign_authority_has_the_real_ones_name(mint: Mint) -> None:
    real = mint.authority.certificate.subject
    assert mint.foreign_of_same_name().certificate.issuer == real
    assert mint.foreign().certificate.issuer != real


def test_dates(mint: Mint) -> None:
    now = datetime.now(UTC)
    assert mint.expired().certificate.not_valid_after_utc < now
    assert mint.not_yet_valid().certificate.not_valid_before_utc > now


def test_a_servers_certificate_is_for_servers_only(mint: Mint) -> None:
    certificate = mint.server_certificate().certificate
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert is_signed_by(certificate, mint.authority)


def test_a_weak_key(mint: Mint) -> None:
    key = mint.weak_key().certificate.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    assert key.key_size == 1024


@pytest.mark.parametrize("kind", list(KeyKind))
def test_a_signature_over_sha_1(kind: KeyKind) -> None:
    mint = Mint(Authority.create("a CA", kind), SPEC)
    certificate = mint.sha1_signature().certificate
    assert certificate.signature_hash_algorithm is not None
    assert certificate.signature_hash_algorithm.name == "sha1"
    assert certificate.issuer == mint.authority.certificate.subject
    assert certificate.tbs_certificate_bytes.count(b"\x30") > 5


def test_another_nodes(mint: Mint) -> None:
    identity = mint.other_node()
    assert identity is not None
    assert OTHER.common_name in identity.certificate.subject.rfc4514_string()
    assert Mint(mint.authority, SPEC).other_node() is None


def test_no_key_shows(mint: Mint) -> None:
    assert "PRIVATE" not in repr(mint.good())
    assert "PRIVATE" not in repr(mint)
