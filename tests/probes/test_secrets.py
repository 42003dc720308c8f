"""Keys and tokens in a results folder are found, wherever they were planted."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from edge_lab.pki import Authority, CertificateSpec, KeyKind
from edge_lab.probes.secrets import leaks_in, scrubbed

IDENTITY = Authority.create("a CA").issue(CertificateSpec("x"))
KEY = IDENTITY.key_pem.decode()
JWT = ".".join(
    base64.urlsafe_b64encode(part.encode()).decode().rstrip("=")
    for part in ('{"alg":"HS256"}', '{"sub":"edge-arm"}', "a signature of some length")
)
PLANTED = {
    "key": KEY,
    "key in JSON": json.dumps({"log": KEY}),
    "old key": "-----BEGIN RSA PRIVATE KEY-----\nMIIE",
    "key in a kubeconfig": "client-key-data: " + base64.b64encode(KEY.encode()).decode(),
    "token": f"Authorization: Bearer {JWT}",
    "K3s token": f"K10{'0a' * 32}::node:5ecret",
    "known": "the token is 0123456789abcdef",
}


@pytest.mark.parametrize("what", PLANTED)
def test_each_planted_secret_is_found(tmp_path: Path, what: str) -> None:
    (tmp_path / "logs").mkdir()
    file = tmp_path / "logs" / "some.log"
    file.write_text(f"nothing here\n{PLANTED[what]}\n")
    found = leaks_in(tmp_path, known=["0123456789abcdef"])
    assert [(leak.file, leak.line) for leak in found[:1]] == [(file, 2)]
    assert "5ecret" not in str(found)


@pytest.mark.parametrize("kind", list(KeyKind))
@pytest.mark.parametrize("before", ["", "a", "ab"])
def test_a_key_in_base64_is_found_wherever_it_begins(
    tmp_path: Path, kind: KeyKind, before: str
) -> None:
    key = Authority.create("a CA", kind).identity.key_pem
    (tmp_path / "f").write_bytes(base64.b64encode(before.encode() + key))
    found = leaks_in(tmp_path)
    assert bool(found) is (before == ""), "a PEM file in base64 begins with its first line"


def test_certificates_and_plain_text_are_none(tmp_path: Path) -> None:
    certificate = IDENTITY.certificate_pem
    (tmp_path / "a").write_bytes(certificate)
    (tmp_path / "b").write_bytes(base64.b64encode(certificate))
    (tmp_path / "c").write_text("the key ended in PRIVATE KEY-----, and eyJ. is no token")
    (tmp_path / "d").write_bytes(bytes(range(256)))
    assert leaks_in(tmp_path) == []


@pytest.mark.parametrize("what", [name for name in PLANTED if name != "known"])
def test_what_is_scrubbed_holds_none(tmp_path: Path, what: str) -> None:
    (tmp_path / "f").write_text(scrubbed(PLANTED[what]))
    assert leaks_in(tmp_path) == []
