"""Certificate chains of OPC UA clients, and channels that go wrong: each has an end and a name."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from asyncua import ua
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from edge_lab.devices.certificate_chain import LONGEST, Chain, is_issued, read_chain
from edge_lab.pki import Authority, KeyKind
from edge_lab.topology import Login, OpcUaOptions
from tests.devices.chains import Signed, sign
from tests.devices.plant_site import (
    HERE,
    Site,
    as_client,
    certificate,
    press_spec,
    require_namespaces,
    start_site,
    store,
)
from tests.devices.raw_peer import RawPeer, raw_peer

slow = pytest.mark.slow(reason="an OPC UA device and its clients as processes")

CLIENT = HERE / "opcua_chain_client.py"


@dataclass(frozen=True)
class Family:
    """Authorities and what they have issued. `root` is trusted, `foreign` is not."""

    root: Signed
    narrow: Signed
    """Trusted, but no other may stand between it and a leaf."""
    foreign: Signed
    middle: Signed
    leaf: Signed
    """Of `middle`, which is of `root`."""
    direct: Signed
    """Of `root`."""
    stranger: Signed


@pytest.fixture(scope="module")
def family() -> Family:
    root, narrow, foreign = sign("root"), sign("narrow", path_length=0), sign("foreign")
    middle = sign("middle", root)
    leaf = sign("sampler", middle, authority=False)
    direct = sign("sampler", root, authority=False, key=leaf.key)
    stranger = sign("sampler", foreign, authority=False, key=leaf.key)
    return Family(root, narrow, foreign, middle, leaf, direct, stranger)


@pytest.fixture(scope="module")
def press(tmp_path_factory: pytest.TempPathFactory, family: Family) -> Iterator[Site]:
    require_namespaces()
    folder = tmp_path_factory.mktemp("d")
    authority = Authority.create("device CA", KeyKind.RSA)
    store(folder, "client", authority.issue(certificate("sampler")))
    options = OpcUaOptions(logins=tuple(Login), users={"operator": "secret"})
    spec = press_spec(folder, authority, nodes=options)
    for name in ("root", "narrow"):
        (folder / "trust" / f"{name}.crt").write_bytes(getattr(family, name).pem)
    (folder / "leaf.key").write_bytes(family.leaf.key_pem)
    site = start_site(spec)
    yield site
    site.process.kill()
    site.process.wait()


def outcomes(site: Site, cases: dict[str, Any]) -> dict[str, str]:
    """How a session ends with each of the certificates; all are of one key."""
    file = site.spec.folder.parent / "cases.json"
    texts = {
        name: {
            part: value.hex() if isinstance(value, bytes) else value
            for part, value in (case if isinstance(case, dict) else {"certificate": case}).items()
        }
        | {"key": "leaf.key"}
        for name, case in cases.items()
    }
    file.write_text(json.dumps(texts))
    found: dict[str, str] = as_client([site], CLIENT, str(file))
    return found


def of_another_kind() -> bytes:
    """A certificate of an elliptic curve."""
    issued = Authority.create("any", KeyKind.EC).issue(
        replace(certificate("sampler"), key=KeyKind.EC)
    )
    return x509.load_pem_x509_certificate(issued.certificate_pem).public_bytes(Encoding.DER)


@slow
def test_a_chain_is_accepted_that_leads_to_a_trusted_authority(press: Site, family: Family) -> None:
    root, middle, leaf, direct = family.root, family.middle, family.leaf, family.direct
    before = press.client.status().refused
    assert outcomes(
        press,
        {
            "leaf alone": direct.der,
            "leaf and root": direct.der + root.der,
            "root twice": direct.der + root.der + root.der,
            "an authority that has nothing to do with it": direct.der + family.foreign.der,
            "leaf and middle": leaf.der + middle.der,
            "leaf, middle and root": leaf.der + middle.der + root.der,
            "in another order": leaf.der + root.der + middle.der,
            "leaf alone in the session": {
                "certificate": direct.der + root.der,
                "session": direct.der,
            },
            "user with a chain": {
                "certificate": direct.der,
                "user": leaf.der + middle.der,
            },
        },
    ) == dict.fromkeys(
        (
            "leaf alone",
            "leaf and root",
            "root twice",
            "an authority that has nothing to do with it",
            "leaf and middle",
            "leaf, middle and root",
            "in another order",
            "leaf alone in the session",
            "user with a chain",
        ),
        "",
    )
    assert press.client.status().refused == before


@slow
def test_a_bad_chain_is_refused_by_its_own_status_counted_and_logged(
    press: Site, family: Family
) -> None:
    leaf, middle, direct, stranger = family.leaf, family.middle, family.direct, family.stranger
    key = leaf.key
    ended = sign("ended", family.root, ended=True)
    narrowed = sign("narrowed", family.narrow)
    imposter = sign("middle", authority=False)
    below = {
        "of an authority that has ended": (ended, "BadCertificateIssuerTimeInvalid"),
        "of one below one that allows none": (narrowed, "BadCertificateUntrusted"),
        "of one that is no authority": (imposter, "BadCertificateUntrusted"),
    }
    cases: dict[str, tuple[Any, str]] = {
        name: (sign("sampler", issuer, authority=False, key=key).der + issuer.der, status)
        for name, (issuer, status) in below.items()
    }
    cases |= {
        "middle is missing": (leaf.der, "BadCertificateUntrusted"),
        "root in the place of middle": (leaf.der + family.root.der, "BadCertificateUntrusted"),
        "foreign": (stranger.der + family.foreign.der, "BadCertificateUntrusted"),
        "foreign with our root": (stranger.der + family.root.der, "BadCertificateUntrusted"),
        "root first": (family.root.der + direct.der, "BadSecurityChecksFailed"),
        "junk": (b"junk", "BadCertificateInvalid"),
        "empty": (b"", "BadCertificateInvalid"),
        "cut off": (direct.der[:-1], "BadCertificateInvalid"),
        "junk behind": (direct.der + b"junk", "BadCertificateInvalid"),
        "cut off behind": (direct.der + middle.der[:-9], "BadCertificateInvalid"),
        "too long": (direct.der + middle.der * LONGEST, "BadCertificateInvalid"),
        "a key of another kind": (of_another_kind(), "BadCertificatePolicyCheckFailed"),
        "a short key": (
            sign("sampler", family.root, authority=False, bits=1024).der,
            "BadCertificatePolicyCheckFailed",
        ),
        "junk in the session": (
            {"certificate": direct.der, "session": b"junk"},
            "BadCertificateInvalid",
        ),
        "junk as a user's": (
            {"certificate": direct.der, "user": direct.der + b"junk"},
            "BadIdentityTokenInvalid",
        ),
        "a user's that is borrowed": (
            {"certificate": direct.der, "user": direct.der, "forged user": "x"},
            "BadUserSignatureInvalid",
        ),
        "a password without a user": (
            {"certificate": direct.der, "password": "x"},
            "BadIdentityTokenInvalid",
        ),
        "a user's that is not trusted": (
            {"certificate": direct.der, "user": leaf.der},
            "BadUserAccessDenied",
        ),
    }
    before = press.client.status().refused
    found = outcomes(press, {name: case for name, (case, _) in cases.items()})
    assert found == {name: status for name, (_, status) in cases.items()}
    assert press.client.status().refused == before + len(cases)
    log = press.log.read_text()
    for _, status in cases.values():
        assert status in log
    assert "Traceback" not in log
    assert press.client.status().reachable


@slow
def test_a_forged_signature_of_a_session_has_a_status(press: Site, family: Family) -> None:
    forged = {"certificate": family.direct.der, "forged": "x"}
    assert outcomes(press, {"forged": forged}) == {"forged": "BadApplicationSignatureInvalid"}


# -- byte by byte ------------------------------------------------------------------------

URL = b"opc.tcp://10.78.0.102:4840"
HELLO = struct.pack("<4s6I", b"HELF", 32 + len(URL), 0, 65_535, 65_535, 0, 0) + (
    struct.pack("<I", len(URL)) + URL
)
POLICY = b"http://opcfoundation.org/UA/SecurityPolicy#"


@pytest.fixture(scope="module")
def peer(press: Site) -> Iterator[RawPeer]:
    with raw_peer(press) as peer:
        yield peer


def text(value: bytes) -> bytes:
    return struct.pack("<i", len(value)) + value


def message(kind: bytes, body: bytes, size: int | None = None) -> bytes:
    return struct.pack("<4sI", kind, 8 + len(body) if size is None else size) + body


def opening(policy: bytes, certificate: bytes = b"") -> bytes:
    head = text(policy) + text(certificate) + text(bytes(20))
    return message(b"OPNF", bytes(4) + head + bytes(256))


CASES = {
    "unknown policy": (opening(POLICY + b"Basic999"), "BadSecurityPolicyRejected"),
    "policy that is not offered": (opening(POLICY + b"Basic256"), "BadSecurityPolicyRejected"),
    "no certificate": (opening(POLICY + b"Basic256Sha256"), "BadCertificateInvalid"),
    "a message before the channel": (
        message(b"MSGF", bytes(16) + b"\x01\x00\xcd\x01"),
        "BadTcpSecureChannelUnknown",
    ),
    "an end before the channel": (message(b"CLOF", bytes(16)), "BadTcpSecureChannelUnknown"),
    "unknown type": (message(b"XYZF", bytes(8)), "BadTcpMessageTypeInvalid"),
    "unknown chunk": (message(b"MSGX", bytes(8)), "BadTcpMessageTypeInvalid"),
    "too long": (message(b"MSGF", bytes(8), size=2**31), "BadTcpMessageTooLarge"),
    "no text": (message(b"OPNF", bytes(4) + struct.pack("<i", 999)), "BadDecodingError"),
}


@slow
@pytest.mark.parametrize("name", CASES)
def test_a_channel_that_goes_wrong_ends_with_a_reason(
    press: Site, peer: RawPeer, name: str
) -> None:
    said, status = CASES[name]
    with peer.line() as line:
        assert line.ask(HELLO)[:3] == b"ACK"
        line.say(said)
        heard = line.hear()
    assert heard.ended
    assert heard.bytes[:4] == b"ERRF"
    (code,) = struct.unpack("<I", heard.bytes[8:12])
    assert ua.StatusCode(code).name == status
    assert press.client.status().reachable
    assert "Traceback" not in press.log.read_text()


# -- pure --------------------------------------------------------------------------------


def test_a_chain_is_taken_apart_as_it_was_put_together(family: Family) -> None:
    assert read_chain(family.leaf.der + family.middle.der + family.root.der) == Chain(
        family.leaf.certificate, (family.middle.certificate, family.root.certificate)
    )


@given(st.binary(max_size=80))
def test_what_is_no_chain_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        read_chain(data)


@given(st.integers(min_value=1))
def test_a_chain_that_is_cut_off_is_refused(family: Family, cut: int) -> None:
    whole = family.leaf.der + family.middle.der
    length = cut % len(whole)
    if length == len(family.leaf.der):
        return
    with pytest.raises(ValueError):  # noqa: PT011
        read_chain(whole[:length])


def test_authorities_that_sign_each_other_lead_nowhere(family: Family) -> None:
    chain = Chain(family.stranger.certificate, (family.foreign.certificate,) * 5)
    assert not is_issued(chain, [family.root.certificate])
    assert is_issued(chain, [family.foreign.certificate])
