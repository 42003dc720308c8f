"""What is asked of a place where nodes join, and what is said of one that gives too much away."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from edge_lab.core.deadline import Deadline
from edge_lab.oracles.identity import Finding, judge_identity
from edge_lab.pki import Authority
from edge_lab.probes.catalog import PROBES
from edge_lab.probes.dial import SocketDial
from edge_lab.probes.endpoint import Endpoint
from edge_lab.probes.joining import Joining, signing_request
from edge_lab.probes.mint import Mint
from edge_lab.probes.record import ProbeRecord
from edge_lab.probes.run import Target
from edge_lab.probes.secrets import leaks_in
from edge_lab.stacks.identities import node_client_spec
from edge_lab.stacks.kubeedge import KubeEdge
from edge_lab.topology import Topology
from tests.probes.servers import ANSWER, Talk, server_context, serving

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjF9.c2lnbmVk"
NODE, OTHER = "edge-arm", "server"
CLOUD = IPv4Address("10.77.0.1")


@dataclass(frozen=True)
class Asked:
    """One request, as a server reads it."""

    path: str
    headers: dict[str, str]
    body: bytes
    certificate: x509.Certificate | None

    @property
    def subject(self) -> str:
        return x509.load_der_x509_csr(self.body).subject.rfc4514_string()


Decide = Callable[[Asked], int]


def right(asked: Asked) -> int:
    """A place where nobody gets what is not theirs."""
    if asked.path != "/edge.crt":
        return 401 if asked.certificate is None else 200
    node = asked.headers.get("nodename", "")
    if asked.certificate is not None:
        wanted = [f"CN=system:node:{node},O=system:nodes"] * 2
        if [asked.certificate.subject.rfc4514_string(), asked.subject] != wanted:
            return 401
        return 403 if "extkeyusages" in asked.headers else 200
    return 200 if asked.headers.get("authorization") == f"Bearer {TOKEN}" else 401


def anyone(asked: Asked) -> int:
    return 200


def signs_any_name(asked: Asked) -> int:
    """As cloudcore does: it compares who asks with the header, and not with what it signs."""
    if asked.certificate is None or asked.path != "/edge.crt":
        return right(asked)
    shown = f"CN=system:node:{asked.headers.get('nodename')},O=system:nodes"
    return 200 if asked.certificate.subject.rfc4514_string() == shown else 401


def talk(context: ssl.SSLContext, authority: Authority, decide: Decide) -> Talk:
    """Verifies a certificate itself, as cloudcore does: TLS has asked for one, and no more."""

    def of(peer: ssl.SSLSocket) -> x509.Certificate | None:
        der = peer.getpeercert(binary_form=True)
        return x509.load_der_x509_certificate(der) if der else None

    def serve(plain: socket.socket) -> None:
        with context.wrap_socket(plain, server_side=True) as peer:
            asked = _read(peer, of(peer))
            peer.sendall(ANSWER % decide(asked))

    return serve


def _read(peer: ssl.SSLSocket, certificate: x509.Certificate | None) -> Asked:
    data = b""
    while b"\r\n\r\n" not in data:
        data += peer.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    while len(body) < int(headers.get("content-length", 0)):
        body += peer.recv(65536)
    return Asked(first.split()[1], headers, body, certificate)


@pytest.fixture(scope="module")
def joining(default_topology: Topology) -> Joining:
    return Joining(default_topology, NODE, OTHER, TOKEN)


@pytest.fixture(scope="module")
def endpoints(joining: Joining) -> dict[str, Endpoint]:
    found = KubeEdge().join_endpoints(joining)
    return {endpoint.name.partition("/")[2]: endpoint for endpoint in found}


def findings(
    folder: Path, authority: Authority, joining: Joining, endpoint: Endpoint, decide: Decide
) -> tuple[dict[str, Finding], list[ProbeRecord]]:
    # By OpenSSL's own verification, a certificate that is not good ends the handshake.
    context = server_context(folder, authority, verify=ssl.CERT_OPTIONAL)
    mint = Mint(authority, endpoint.right or node_client_spec(NODE))
    with serving(talk(context, authority, decide)) as port:
        target = Target(
            replace(endpoint, port=port),
            "127.0.0.1",
            SocketDial(),
            mint,
            limit=lambda: Deadline.after(10),
        )
        names = [name for name in PROBES if name in endpoint.policy.expects]
        records = [target.try_one(joining.probe(name)) for name in names]
    verdict = judge_identity(NODE, "kubeedge", records, {endpoint.id: endpoint})
    return {judgement.record.probe: judgement.finding for judgement in verdict.judged}, records


BY_TLS = {"foreign-ca", "expired", "server-certificate"}
"""What this server refuses in the handshake, and cloudcore by HTTP."""


def test_who_gives_nobody_what_is_not_theirs_passes(
    tmp_path: Path, authority: Authority, joining: Joining, endpoints: dict[str, Endpoint]
) -> None:
    for endpoint in endpoints.values():
        found, _ = findings(tmp_path, authority, joining, endpoint, right)
        failed = {probe for probe, finding in found.items() if finding is not Finding.PASS}
        assert failed <= BY_TLS, endpoint.name
        assert {found[probe] for probe in failed} <= {Finding.WRONG_REASON}


def test_who_lets_anyone_join_is_red(
    tmp_path: Path, authority: Authority, joining: Joining, endpoints: dict[str, Endpoint]
) -> None:
    own, _ = findings(tmp_path, authority, joining, endpoints["own-certificate"], anyone)
    assert own["none"] is own["bad-token"] is Finding.LET_IN
    for name in set(endpoints) - {"own-certificate"}:
        found, _ = findings(tmp_path, authority, joining, endpoints[name], anyone)
        assert set(found.values()) == {Finding.LET_IN}, name


def test_who_signs_another_name_than_that_of_who_asks_is_red(
    tmp_path: Path, authority: Authority, joining: Joining, endpoints: dict[str, Endpoint]
) -> None:
    by_name = {
        name: findings(tmp_path, authority, joining, endpoint, signs_any_name)[0].get("right")
        for name, endpoint in endpoints.items()
    }
    assert by_name["own-certificate"] is by_name["in-another-name"] is Finding.PASS
    assert by_name["certificate-of-another-node"] is Finding.LET_IN


def test_the_token_is_in_no_record(
    tmp_path: Path, authority: Authority, joining: Joining, endpoints: dict[str, Endpoint]
) -> None:
    _, records = findings(tmp_path, authority, joining, endpoints["own-certificate"], right)
    kept = tmp_path / "results"
    kept.mkdir()
    lines = "\n".join(record.model_dump_json() for record in records)
    (kept / "probes.jsonl").write_text(lines)
    assert leaks_in(kept, known=[TOKEN]) == []
    assert not re.search(re.escape(TOKEN), repr(joining))


def test_a_signing_request_names_the_node_and_is_signed_by_its_own_key() -> None:
    spec = replace(node_client_spec(NODE), dns_names=("cloud",), addresses=(CLOUD,))
    request = x509.load_der_x509_csr(signing_request(spec))
    assert request.subject.rfc4514_string() == f"CN=system:node:{NODE},O=system:nodes"
    assert request.is_signature_valid
    names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["cloud"]
    assert names.get_values_for_type(x509.IPAddress) == [CLOUD]
    assert isinstance(request.signature_hash_algorithm, hashes.SHA256)
