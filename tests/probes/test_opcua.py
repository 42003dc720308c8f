"""Probes of OPC UA and Modbus devices, at servers on loopback."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.oracles.identity import Finding, judge_identity
from edge_lab.pki import Authority, KeyKind
from edge_lab.probes.catalog import PROBES
from edge_lab.probes.dial import SocketDial
from edge_lab.probes.endpoint import Endpoint, Speaks
from edge_lab.probes.expected import Policy
from edge_lab.probes.mint import Mint
from edge_lab.probes.modbus import MODBUS_DEVICE, modbus_probe
from edge_lab.probes.opcua import OPCUA_DEVICE, OpcUaServer, opcua_probes
from edge_lab.probes.record import Ended, ProbeRecord
from edge_lab.probes.run import Target
from suites.identity.insecure_device import insecure_device
from tests.devices.opcua_bench import URI, Bench
from tests.devices.plant_site import certificate
from tests.ports import closed_port

NAME = "press/opcua"
RIGHT = certificate("client", URI.format(name="client"))


def limit() -> Deadline:
    return Deadline.scaled(20)


def endpoint_of(port: int, policy: Policy) -> Endpoint:
    return Endpoint(
        name="opcua",
        node="press",
        port=port,
        speaks=Speaks.OTHER,
        purpose="values",
        admits="trusted applications",
        policy=policy,
    )


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.create("bench CA", KeyKind.RSA)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[OpcUaServer]:
    folder = tmp_path_factory.mktemp("opcua")
    bench = Bench(folder, authority)
    with bench.running():
        port = int(bench.url.rpartition(":")[2])
        shown = (folder / "server.crt").read_bytes()
        yield OpcUaServer(NAME, "127.0.0.1", port, shown, mode="Sign")


@pytest.fixture(scope="module")
def records(server: OpcUaServer, authority: Authority) -> list[ProbeRecord]:
    mint = Mint(authority, RIGHT)
    found = list(opcua_probes(server, mint, SocketDial(), limit))
    tls = Target(endpoint_of(server.port, OPCUA_DEVICE), "127.0.0.1", SocketDial(), mint)
    return [*found, tls.try_one(PROBES["tls"])]


@pytest.mark.slow(reason="an OPC UA server and a dozen sessions")
def test_each_wrong_peer_is_refused_by_its_own_status(
    records: list[ProbeRecord], server: OpcUaServer
) -> None:
    endpoint = endpoint_of(server.port, OPCUA_DEVICE)
    verdict = judge_identity("host", "test", records, {endpoint.id: endpoint})
    assert verdict.passed, str(verdict)
    assert {record.probe for record in records} == set(OPCUA_DEVICE.expects)


@pytest.mark.slow(reason="an OPC UA server and a dozen sessions")
def test_a_device_that_trusts_another_authority_shuts_the_right_peer_out_and_lets_the_wrong_one_in(
    server: OpcUaServer, authority: Authority
) -> None:
    """The planted defect: for it, the peer of a foreign authority is the right one."""
    foreign = Mint(Authority.create("foreign", KeyKind.RSA), RIGHT)
    swapped = {
        record.probe: record for record in opcua_probes(server, foreign, SocketDial(), limit)
    }
    right = replace_probe(
        next(iter(opcua_probes(server, Mint(authority, RIGHT), SocketDial(), limit))), "foreign-ca"
    )
    endpoint = endpoint_of(server.port, OPCUA_DEVICE)
    judged = judge_identity(
        "host", "test", [swapped["right"], right], {endpoint.id: endpoint}
    ).judged
    assert {judgement.record.probe: judgement.finding for judgement in judged} == {
        "right": Finding.SHUT_OUT,
        "foreign-ca": Finding.LET_IN,
    }


@pytest.mark.slow(reason="an OPC UA server and a dozen sessions")
def test_a_server_that_trusts_anyone_turns_each_probe_red(authority: Authority) -> None:
    with insecure_device() as (port, shown):
        server = OpcUaServer(NAME, "127.0.0.1", port, shown)
        found = list(opcua_probes(server, Mint(authority, RIGHT), SocketDial(), limit))
    endpoint = endpoint_of(port, OPCUA_DEVICE)
    judged = judge_identity("host", "test", found, {endpoint.id: endpoint}).judged
    findings = {judgement.record.probe: judgement.finding for judgement in judged}
    assert findings.pop("right") is Finding.PASS
    assert set(findings.values()) == {Finding.LET_IN}, findings


def replace_probe(record: ProbeRecord, probe: str) -> ProbeRecord:
    return record.model_copy(update={"probe": probe})


def test_a_device_that_is_down_is_no_evidence(authority: Authority) -> None:
    with closed_port() as port:
        nobody = OpcUaServer(NAME, "127.0.0.1", port, authority.certificate_pem)
        probes = opcua_probes(nobody, Mint(authority, RIGHT), SocketDial(), limit)
        record = next(record for record in probes if record.probe == "none")
    assert record.ended is Ended.CLOSED


@contextmanager
def answering(reply: bytes) -> Iterator[int]:
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        peer, _ = listener.accept()
        with peer:
            peer.recv(64)
            peer.sendall(reply)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        thread.join()
        listener.close()


@pytest.mark.parametrize(
    ("reply", "finding"),
    [
        pytest.param("000100000005010402002a", Finding.PASS, id="a register"),
        pytest.param("000100000003018402", Finding.PASS, id="an exception"),
        pytest.param("", Finding.NO_EVIDENCE, id="closed"),
        pytest.param("15030300020246", Finding.NO_EVIDENCE, id="TLS"),
    ],
)
def test_whoever_reaches_a_modbus_device_is_let_in(reply: str, finding: Finding) -> None:
    with answering(bytes.fromhex(reply)) as port:
        record = modbus_probe(NAME, "127.0.0.1", port, SocketDial(), limit())
    endpoint = endpoint_of(port, MODBUS_DEVICE)
    (judged,) = judge_identity("host", "test", [record], {endpoint.id: endpoint}).judged
    assert judged.finding is finding
