"""A false cloud: a TLS server that presents one wrong certificate after the other to its clients,
and records their reaction.

A client that refuses sends an alert, and nothing else. One that continues has accepted the server:
then its request is recorded, without secrets.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from OpenSSL import SSL

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import DeadlineExceeded
from edge_lab.pki import Identity
from edge_lab.pki.authority import load_key
from edge_lab.probes.attempt import TlsVersion
from edge_lab.probes.catalog import PROBES
from edge_lab.probes.cloudclient import CloudClient
from edge_lab.probes.dial import CHUNK
from edge_lab.probes.mint import Mint
from edge_lab.probes.record import Alert, Direction, Ended, ProbeRecord, Step

PEER_SECONDS = 10.0
"""Seconds for one client to react, of the reference machine."""
UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
"""The response to a client that accepted the server: retry later."""


@dataclass
class _Course:
    step: Step = Step.HANDSHAKE
    ended: Ended = Ended.SILENT
    alert: Alert | None = None
    tls: str = ""
    detail: str = ""


@dataclass
class FalseCloud:
    """Accepts the connections of one client; each presents a certificate without a result yet."""

    client: CloudClient
    mint: Mint
    _identities: dict[str, Identity] = field(default_factory=dict, repr=False)
    _records: dict[str, ProbeRecord] = field(default_factory=dict)
    _waiting: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @contextlib.contextmanager
    def listening(self) -> Iterator[int]:
        """Its port on this host's loopback."""
        for name in self.client.policy.expects:
            identity = PROBES[name].shows(self.mint)
            assert identity is not None, name
            self._identities[name] = identity
        self._waiting = list(self._identities)
        listener = socket.create_server(("127.0.0.1", 0))
        accepting = threading.Thread(target=self._accept, args=(listener,), daemon=True)
        accepting.start()
        try:
            yield listener.getsockname()[1]
        finally:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
            accepting.join()

    def wait(self, deadline: Deadline) -> list[ProbeRecord]:
        """The client's reaction to each certificate; for one that was not presented in time, that
        the client did not connect."""
        with contextlib.suppress(DeadlineExceeded):
            deadline.wait_for(
                f"{self.client.id} has met each certificate",
                lambda: all(map(self._is_told, self._identities)),
                every=0.2,
            )
        return [self._records.get(name) or self._missing(name) for name in self._identities]

    # -- connections ---------------------------------------------------------------------

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(peer, self._next()), daemon=True).start()

    def _next(self) -> str:
        """The certificate that has waited longest; one with a result is presented again only when
        all have theirs."""
        with self._lock:
            waiting = [name for name in self._waiting if not self._is_told(name)]
            name = (waiting or self._waiting)[0]
            self._waiting.remove(name)
            self._waiting.append(name)
            return name

    def _is_told(self, name: str) -> bool:
        record = self._records.get(name)
        return record is not None and record.ended in (Ended.ALERT, Ended.ACCEPTED)

    def _talk(self, peer: socket.socket, name: str) -> None:
        began, clock, course = time.time_ns(), time.monotonic(), _Course()
        try:
            with peer:
                peer.settimeout(Deadline.scaled(PEER_SECONDS).remaining)
                _talk(peer, _context(self._identities[name]), course)
        except TimeoutError:
            course.ended = Ended.SILENT
        except (SSL.Error, OSError) as trouble:
            course.detail = str(trouble)
            told = course.alert is not None and course.alert.direction is Direction.RECEIVED
            course.ended = Ended.ALERT if told else Ended.CLOSED
        if course.step is Step.ANSWER:
            # A client that continues after the handshake has accepted the certificate.
            course.ended = Ended.ACCEPTED
        record = self._record(
            name,
            course,
            began=began,
            seconds=time.monotonic() - clock,
            serial=str(self._identities[name].certificate.serial_number),
        )
        with self._lock:
            if not self._is_told(name):
                self._records[name] = record

    def _missing(self, name: str) -> ProbeRecord:
        course = _Course(
            step=Step.CONNECT,
            ended=Ended.NOT_CONNECTED,
            detail="the client was not seen to connect",
        )
        return self._record(name, course, began=time.time_ns())

    def _record(
        self, name: str, course: _Course, *, began: int, seconds: float = 0.0, serial: str = ""
    ) -> ProbeRecord:
        return ProbeRecord(
            endpoint=self.client.id,
            probe=name,
            client=self.client.node,
            address=self.client.address,
            port=self.client.port,
            step=course.step,
            ended=course.ended,
            tls=course.tls,
            alert=course.alert,
            serial=serial,
            detail=course.detail[:300],
            seconds=round(seconds, 4),
            time=began,
        )


def _context(identity: Identity) -> SSL.Context:
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_cipher_list(b"ALL:@SECLEVEL=0")
    context.set_min_proto_version(TlsVersion.TLS1_2)
    context.set_max_proto_version(TlsVersion.TLS1_3)
    context.use_certificate(identity.certificate)
    context.use_privatekey(load_key(identity.key_pem))
    # Requests a certificate and accepts any, to learn whether the client presents one.
    context.set_verify(SSL.VERIFY_PEER, lambda *_: True)
    # Each connection must verify the certificate again.
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_options(SSL.OP_NO_TICKET)
    return context


def _talk(peer: socket.socket, context: SSL.Context, course: _Course) -> None:
    connection = SSL.Connection(context, None)
    connection.set_accept_state()

    def note(_: SSL.Connection, where: int, code: int) -> None:
        number = code & 0xFF
        if where & SSL.SSL_CB_ALERT and number and course.alert is None:
            received = bool(where & SSL.SSL_CB_READ)
            direction = Direction.RECEIVED if received else Direction.SENT
            course.alert = Alert(number=number, direction=direction)

    connection.set_info_callback(note)

    def flush() -> None:
        with contextlib.suppress(SSL.WantReadError):
            while True:
                peer.sendall(connection.bio_read(CHUNK))

    def fill() -> None:
        flush()
        data = peer.recv(CHUNK)
        if not data:
            raise ConnectionError("the client has closed the connection")
        connection.bio_write(data)
        course.tls = course.tls or connection.get_protocol_version_name()

    while True:
        try:
            connection.do_handshake()
            break
        except SSL.WantReadError:
            fill()
    course.tls = connection.get_protocol_version_name()
    course.step, course.detail = Step.ANSWER, _shown(connection)
    flush()
    while True:
        try:
            data = connection.recv(CHUNK)
            break
        except SSL.WantReadError:
            fill()
    course.detail = f"{_request(data)}{course.detail}"
    connection.sendall(UNAVAILABLE)
    flush()


def _shown(connection: SSL.Connection) -> str:
    certificate = connection.get_peer_certificate(as_cryptography=True)
    if certificate is None:
        return ", no certificate"
    return f", certificate of {certificate.subject.rfc4514_string()}"


def _request(data: bytes) -> str:
    """Method and path, and whether there was a token; never the token."""
    head = data.partition(b"\r\n\r\n")[0]
    line = head.partition(b"\r\n")[0].decode(errors="replace")
    words = " ".join(line.split()[:2])
    return f"{words}, with a token" if b"\nauthorization:" in head.lower() else words
