"""A false cloud, met by clients that turn it away and by one that takes whoever answers."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.oracles.identity import Finding, judge_identity
from edge_lab.pki import Authority, CertificateSpec, Usage
from edge_lab.probes.cloudclient import GO_CLIENT, OPENSSL_CLIENT, SERVER_CERTIFICATES, CloudClient
from edge_lab.probes.expected import Policy
from edge_lab.probes.falsecloud import FalseCloud
from edge_lab.probes.mint import Mint
from edge_lab.probes.record import Ended, ProbeRecord, Step
from edge_lab.probes.redirect import rules, table

SERVER = CertificateSpec(
    "kube-apiserver", addresses=(IPv4Address("127.0.0.1"),), usages=(Usage.SERVER,)
)
CLIENT = CloudClient(
    name="client to cloud",
    node="edge-arm",
    unit="x.service",
    address="10.77.0.1",
    port=6443,
    purpose="a test",
    server=SERVER,
    policy=OPENSSL_CLIENT,
)
REQUEST = b"GET /api HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer tell-nobody\r\n\r\n"


def verifying(folder: Path, authority: Authority) -> ssl.SSLContext:
    ca = folder / "ca.pem"
    ca.write_bytes(authority.certificate_pem)
    context = ssl.create_default_context(cafile=str(ca))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def careless() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    return context


@contextlib.contextmanager
def dialling(port: int, context: ssl.SSLContext) -> Iterator[None]:
    """A client that dials again and again, as clients of the edge do."""
    over = threading.Event()

    def dial() -> None:
        while not over.is_set():
            with (
                contextlib.suppress(OSError),
                socket.create_connection(("127.0.0.1", port), 5) as plain,
                context.wrap_socket(plain, server_hostname="127.0.0.1") as wrapped,
            ):
                wrapped.sendall(REQUEST)
                wrapped.recv(1000)

    thread = threading.Thread(target=dial)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


Dialling = Callable[[int], contextlib.AbstractContextManager[None]]


def met(authority: Authority, client: CloudClient, dial: Dialling) -> list[ProbeRecord]:
    cloud = FalseCloud(client, Mint(authority, client.server))
    with cloud.listening() as port, dial(port):
        return cloud.wait(Deadline.after(60))


def findings(client: CloudClient, records: list[ProbeRecord]) -> dict[str, Finding]:
    verdict = judge_identity(client.node, "x", records, {client.id: client.as_endpoint()})
    return {judgement.record.probe: judgement.finding for judgement in verdict.judged}


def test_a_client_that_verifies_turns_each_false_cloud_away(
    tmp_path: Path, authority: Authority
) -> None:
    context = verifying(tmp_path, authority)
    records = met(authority, CLIENT, lambda port: dialling(port, context))
    assert [record.probe for record in records] == list(SERVER_CERTIFICATES)
    assert set(findings(CLIENT, records).values()) == {Finding.PASS}, list(map(str, records))
    taken, *refused = records
    assert (taken.ended, taken.step) == (Ended.ACCEPTED, Step.ANSWER)
    assert taken.detail.startswith("GET /api, with a token")
    assert "tell-nobody" not in taken.model_dump_json()
    assert {record.ended for record in refused} == {Ended.ALERT}
    assert not any(record.detail.startswith("GET") for record in refused)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1 is deprecated")
@pytest.mark.parametrize("policy", [GO_CLIENT, OPENSSL_CLIENT], ids=lambda policy: policy.name)
def test_each_probe_is_red_for_a_client_that_takes_whoever_answers(
    authority: Authority, policy: Policy
) -> None:
    client, context = replace(CLIENT, policy=policy), careless()
    found = findings(client, met(authority, client, lambda port: dialling(port, context)))
    assert found.pop("server") is Finding.PASS
    assert set(found) == set(SERVER_CERTIFICATES[1:])
    assert set(found.values()) == {Finding.LET_IN}


def test_the_right_server_is_red_for_a_client_that_trusts_another_authority(
    tmp_path: Path, authority: Authority
) -> None:
    context = verifying(tmp_path, Authority.create("another CA"))
    records = met(authority, CLIENT, lambda port: dialling(port, context))
    assert findings(CLIENT, records)["server"] is Finding.SHUT_OUT


def test_a_client_that_does_not_come_and_one_that_says_nothing_are_no_evidence(
    authority: Authority,
) -> None:
    cloud = FalseCloud(CLIENT, Mint(authority, SERVER))
    with cloud.listening() as port:
        with socket.create_connection(("127.0.0.1", port)):
            pass  # closed at once
        records = cloud.wait(Deadline.after(0.5))
    assert set(findings(CLIENT, records).values()) == {Finding.NO_EVIDENCE}
    assert Ended.NOT_CONNECTED in {record.ended for record in records}


def test_only_one_units_connections_are_turned() -> None:
    text = rules(CLIENT, "/system.slice/x.service", 18444)
    match = 'ip daddr 10.77.0.1 tcp dport 6443 socket cgroupv2 level 2 "system.slice/x.service"'
    assert text.count(match) == 2
    assert f"table ip {table(18444)} {{" in text
    assert "redirect to :18444" in text
