"""One probe of a server on loopback: what its record says."""

from __future__ import annotations

import ssl
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_lab.core.deadline import Deadline
from edge_lab.pki import Authority
from edge_lab.probes.answer import is_whole, parsed
from edge_lab.probes.attempt import Attempt
from edge_lab.probes.catalog import PROBES
from edge_lab.probes.dial import NotConnectedError, ProgramDial, SilentError, SocketDial
from edge_lab.probes.engine import attempt
from edge_lab.probes.expected import ANYONE_BY_HTTP, MUTUAL_TLS
from edge_lab.probes.mint import Mint
from edge_lab.probes.record import Direction, Ended, ProbeRecord, Step
from edge_lab.probes.request import Request
from tests.ports import closed_port
from tests.probes.conftest import TargetAt
from tests.probes.servers import closing, https, plain_http, server_context, serving, silent


def tried(port: int, **more: object) -> ProbeRecord:
    what = Attempt("host/it", "none", "127.0.0.1", port, **more)  # type: ignore[arg-type]
    return attempt(what, SocketDial(), Deadline.after(60)).record


def test_the_right_peer_is_answered(
    tmp_path: Path, authority: Authority, target_at: TargetAt
) -> None:
    with serving(https(server_context(tmp_path, authority))) as port:
        record = target_at(port, MUTUAL_TLS).try_one(PROBES["right"])
    assert (record.step, record.ended) == (Step.ANSWER, Ended.ANSWERED)
    assert record.http is not None
    assert (record.http.status, record.http.body) == (200, "ok")
    assert record.tls == "TLSv1.3"
    assert record.cipher
    assert record.ticket
    assert not record.resumed
    assert record.server is not None
    assert record.server.subject == "CN=server"
    assert record.server.issuer == "CN=edge-lab cluster CA"
    assert record.serial.isdigit()
    assert ProbeRecord.model_validate_json(record.model_dump_json()) == record


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
@pytest.mark.parametrize(
    ("probe", "alert"),
    [("expired", 45), ("not-yet-valid", 42), ("foreign-ca", 48), ("self-signed", 48)],
)
def test_the_alert_is_seen_by_its_number(
    tmp_path: Path, authority: Authority, target_at: TargetAt, version: str, probe: str, alert: int
) -> None:
    context = server_context(tmp_path, authority)
    context.maximum_version = ssl.TLSVersion[version.replace(".", "_")]
    with serving(https(context)) as port:
        record = target_at(port, MUTUAL_TLS).try_one(PROBES[probe])
    assert record.ended is Ended.ALERT
    assert record.alert is not None
    assert record.alert.direction is Direction.RECEIVED

    assert record.alert.number == alert
    assert record.step is (Step.READ if version == "TLSv1.3" else Step.HANDSHAKE)
    assert record.tls == version


def test_under_tls_1_3_the_alert_is_never_lost(
    tmp_path: Path, authority: Authority, target_at: TargetAt
) -> None:
    with serving(https(server_context(tmp_path, authority))) as port:
        target = target_at(port, MUTUAL_TLS)
        records = [target.try_one(PROBES["expired"]) for _ in range(10)]
    assert {record.alert.number if record.alert else None for record in records} == {45}


@pytest.mark.parametrize("probe", ["tls-1.0", "tls-1.1"])
def test_old_versions_are_offered_and_refused(
    tmp_path: Path, authority: Authority, target_at: TargetAt, probe: str
) -> None:
    with serving(https(server_context(tmp_path, authority))) as port:
        record = target_at(port, MUTUAL_TLS).try_one(PROBES[probe])
    assert (record.step, record.ended) == (Step.HANDSHAKE, Ended.ALERT)
    assert record.alert is not None
    assert record.alert.number == 70
    assert record.tls == ""


def test_a_stolen_ticket_resumes_without_a_certificate(
    tmp_path: Path, authority: Authority, target_at: TargetAt
) -> None:
    context = server_context(tmp_path, authority)
    with serving(https(context)) as port:
        target = target_at(port, MUTUAL_TLS)
        stolen = target.try_one(PROBES["stolen-ticket"])
        # The next probe of the same endpoint has a context of its own: no session of another's.
        afterwards = target.try_one(PROBES["none"])
    assert stolen.resumed
    assert stolen.serial == ""
    assert stolen.http is not None
    assert afterwards.alert is not None
    assert afterwards.alert.number == 116
    assert not afterwards.resumed


def test_nobody_listens() -> None:
    with closed_port() as port:
        record = tried(port)
    assert (record.step, record.ended) == (Step.CONNECT, Ended.NOT_CONNECTED)


def test_a_peer_that_closes_and_one_that_is_silent() -> None:
    with serving(closing) as port:
        assert tried(port).ended is Ended.CLOSED
    with serving(silent) as port:
        what = Attempt("host/it", "none", "127.0.0.1", port)
        record = attempt(what, SocketDial(), Deadline.after(0.5)).record
    assert (record.step, record.ended) == (Step.HANDSHAKE, Ended.SILENT)


def test_tls_on_a_plain_port(target_at: TargetAt) -> None:
    with serving(plain_http()) as port:
        record = target_at(port, ANYONE_BY_HTTP).try_one(PROBES["tls"])
    assert (record.step, record.ended) == (Step.HANDSHAKE, Ended.NOT_TLS)
    assert record.tls == ""


def test_where_nothing_is_asked_the_certificate_that_is_taken_is_the_answer(
    tmp_path: Path, authority: Authority, mint: Mint
) -> None:
    context = server_context(tmp_path, authority)
    with serving(https(context)) as port:
        taken = tried(port, request=None, identity=mint.good())
        refused = tried(port, request=None)
    assert (taken.step, taken.ended) == (Step.READ, Ended.ACCEPTED)
    assert refused.ended is Ended.ALERT


def test_plain_text_where_nothing_is_asked(tmp_path: Path, authority: Authority) -> None:
    with serving(plain_http()) as port:
        record = tried(port, request=None, plain=True)
    assert record.http is not None
    assert record.http.status == 200


# -- by a program ----------------------------------------------------------------------------

FORWARD = """
import socket, sys, threading
try:
    peer = socket.create_connection((sys.argv[1], int(sys.argv[2])))
except OSError as trouble:
    sys.exit(f"open failed: {trouble}")
def out():
    while data := peer.recv(65536):
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
threading.Thread(target=out).start()
while data := sys.stdin.buffer.read1(65536):
    peer.sendall(data)
peer.shutdown(socket.SHUT_WR)
"""
FORWARDING = ProgramDial(
    "edge-arm", lambda address, port: [sys.executable, "-c", FORWARD, address, str(port)]
)


def test_a_probe_by_a_forwarding_program(tmp_path: Path, authority: Authority, mint: Mint) -> None:
    context = server_context(tmp_path, authority)
    with serving(https(context)) as port:
        what = Attempt("host/it", "expired", "127.0.0.1", port, mint.expired())
        record = attempt(what, FORWARDING, Deadline.after(60)).record
    assert record.client == "edge-arm"
    assert record.alert is not None
    assert record.alert.number == 45


def test_a_forwarding_program_that_could_not_connect() -> None:
    with closed_port() as port:
        what = Attempt("e", "none", "127.0.0.1", port)
        record = attempt(what, FORWARDING, Deadline.after(60)).record
    assert record.ended is Ended.NOT_CONNECTED
    assert "open failed" in record.detail


def test_a_program_whose_peer_says_nothing() -> None:
    dial = ProgramDial("x", lambda address, port: ["sleep", "30"])
    with (
        dial.connect("127.0.0.1", 1, Deadline.after(60)) as stream,
        pytest.raises(SilentError),
    ):
        stream.receive(Deadline.after(0.1))


def test_a_program_that_is_not_there_is_no_connection() -> None:
    dial = ProgramDial("x", lambda address, port: ["false"])
    with (
        dial.connect("127.0.0.1", 1, Deadline.after(60)) as stream,
        pytest.raises(NotConnectedError),
    ):
        stream.receive(Deadline.after(60))


# -- HTTP ------------------------------------------------------------------------------------


def test_an_answer_is_parsed_and_its_secrets_left_out() -> None:
    body = b"-----BEGIN EC PRIVATE KEY-----\nMHcC\n-----END EC PRIVATE KEY-----\nmore"
    data = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    answer = parsed(data, "GET")
    assert answer is not None
    assert "MHcC" not in answer.body
    assert answer.body.endswith("more")
    hidden = parsed(data, "GET", confidential=True)
    assert hidden is not None
    assert (hidden.status, hidden.body) == (200, "")
    assert is_whole(data)
    assert not is_whole(data[:-1])


@given(st.binary(max_size=200))
def test_whatever_comes_back_is_parsed_or_is_none(data: bytes) -> None:
    for head in (b"", b"HTTP/1.1 ", b"HTTP/1.1 200 OK\r\n"):
        parsed(head + data, "GET")
        parsed(head + data + b"\r\n\r\n" + data, "GET")
        is_whole(head + data)


def test_no_token_shows_in_an_attempt() -> None:
    what = Attempt("e", "bad-token", "127.0.0.1", 1, bearer="tell-nobody")
    assert "tell-nobody" not in repr(what)
    assert b"tell-nobody" in Request().encoded("h", "a", what.bearer)
