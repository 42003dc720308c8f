"""Certificates are judged by real TLS handshakes, in memory, with OpenSSL on both ends."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_lab.pki import Authority, CertificateSpec, Identity, KeyKind, Usage
from tests.budget import examples

SERVER = CertificateSpec("the server", dns_names=("server",), usages=(Usage.SERVER,))
CLIENT = CertificateSpec("system:node:edge", ("system:nodes",))


def handshake(
    folder: Path, server: Identity, client: Identity, authority: Authority, name: str = "server"
) -> None:
    """A TLS handshake in which each end demands the other's certificate; raises if refused."""
    paths = {}
    for label, identity in (("server", server), ("client", client)):
        paths[label] = folder / f"{label}.pem"
        paths[label].write_bytes(identity.combined_pem)
    trusted = authority.certificate_pem.decode()
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.load_cert_chain(paths["server"])
    ours.verify_mode = ssl.CERT_REQUIRED
    ours.load_verify_locations(cadata=trusted)
    theirs = ssl.create_default_context(cadata=trusted)
    theirs.load_cert_chain(paths["client"])
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        theirs.wrap_bio(down, up, server_hostname=name),
        ours.wrap_bio(up, down, server_side=True),
    ]
    for _ in range(10):
        for end in list(ends):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            ends.remove(end)
        if not ends:
            return
    raise AssertionError("the handshake came to no end")


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.create("lab CA")


def test_certificates_of_one_authority_trust_each_other(
    tmp_path: Path, authority: Authority
) -> None:
    handshake(tmp_path, authority.issue(SERVER), authority.issue(CLIENT), authority)


def test_rsa_certificates_work_as_well(tmp_path: Path) -> None:
    devices = Authority.create("devices", KeyKind.RSA)
    server = devices.issue(
        CertificateSpec("s", dns_names=("server",), usages=(Usage.SERVER,), key=KeyKind.RSA)
    )
    client = devices.issue(CertificateSpec("c", key=KeyKind.RSA, encipherment=True))
    handshake(tmp_path, server, client, devices)


def test_a_foreign_authority_of_the_same_name_is_refused(
    tmp_path: Path, authority: Authority
) -> None:
    foreign = Authority.create("lab CA")
    with pytest.raises(ssl.SSLError):
        handshake(tmp_path, authority.issue(SERVER), foreign.issue(CLIENT), authority)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(tmp_path, foreign.issue(SERVER), authority.issue(CLIENT), authority)


def test_an_expired_certificate_is_refused(tmp_path: Path, authority: Authority) -> None:
    expired = CertificateSpec(
        "old",
        dns_names=("server",),
        usages=(Usage.SERVER,),
        starts=datetime.now(UTC) - timedelta(days=3),
        lifetime=timedelta(days=2),
    )
    with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
        handshake(tmp_path, authority.issue(expired), authority.issue(CLIENT), authority)


def test_a_certificate_of_tomorrow_is_refused(tmp_path: Path, authority: Authority) -> None:
    early = CertificateSpec("early", starts=datetime.now(UTC) + timedelta(days=1))
    with pytest.raises(ssl.SSLError):
        handshake(tmp_path, authority.issue(SERVER), authority.issue(early), authority)


def test_a_server_of_another_name_is_refused(tmp_path: Path, authority: Authority) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname"):
        handshake(tmp_path, authority.issue(SERVER), authority.issue(CLIENT), authority, "another")


def test_a_client_certificate_does_not_serve(tmp_path: Path, authority: Authority) -> None:
    wrong = CertificateSpec("server", dns_names=("server",))
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(tmp_path, authority.issue(wrong), authority.issue(CLIENT), authority)


def test_a_short_lifetime_is_counted_from_now(authority: Authority) -> None:
    minute = timedelta(minutes=1)
    before = datetime.now(UTC)
    certificate = authority.issue(CertificateSpec("brief", lifetime=minute)).certificate
    ends = certificate.not_valid_after_utc
    assert abs(ends - (before + minute)) < timedelta(seconds=5)
    assert certificate.not_valid_before_utc < before - timedelta(hours=1)


def test_keys_are_of_the_kind_that_was_asked_for(authority: Authority) -> None:
    fast = authority.issue(CLIENT).certificate.public_key()
    assert isinstance(fast, ec.EllipticCurvePublicKey)
    assert isinstance(fast.curve, ec.SECP256R1)
    slow = authority.issue(CertificateSpec("x", key=KeyKind.RSA)).certificate.public_key()
    assert isinstance(slow, rsa.RSAPublicKey)
    assert slow.key_size == 2048


def test_an_issued_certificate_is_no_authority(authority: Authority) -> None:
    leaf = authority.issue(CLIENT).certificate
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert not leaf.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign


names = st.text("abcdefghijklmnopqrstuvwxyz0123456789-:.", min_size=1, max_size=40)


@settings(max_examples=examples(25))
@given(
    common_name=names,
    organizations=st.lists(names, max_size=3),
    addresses=st.lists(st.ip_addresses(v=4), max_size=3, unique=True),
    usages=st.sets(st.sampled_from(Usage), min_size=1),
)
def test_what_was_asked_for_stands_in_the_certificate(
    common_name: str, organizations: list[str], addresses: list[object], usages: set[Usage]
) -> None:
    spec = CertificateSpec(
        common_name,
        tuple(organizations),
        addresses=tuple(addresses),  # type: ignore[arg-type]
        usages=tuple(usages),
    )
    certificate = Authority.create("any").issue(spec).certificate
    subject = certificate.subject
    found = [each.value for each in subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)]
    assert found == [common_name]
    groups = subject.get_attributes_for_oid(x509.NameOID.ORGANIZATION_NAME)
    assert [each.value for each in groups] == organizations
    if addresses:
        san = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert san.get_values_for_type(x509.IPAddress) == addresses
    allowed = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert (ExtendedKeyUsageOID.CLIENT_AUTH in allowed) == (Usage.CLIENT in usages)
    assert (ExtendedKeyUsageOID.SERVER_AUTH in allowed) == (Usage.SERVER in usages)
