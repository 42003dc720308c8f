"""A TLS client over any byte stream, which records what happens: pyOpenSSL with memory BIOs.

It does not verify the peer, since it tests whether the peer admits it. The info callback gives the
numbers of alerts.
"""

from __future__ import annotations

import contextlib
from datetime import UTC

from cryptography import x509
from OpenSSL import SSL

from edge_lab.core.deadline import Deadline
from edge_lab.pki.authority import load_key
from edge_lab.probes.attempt import Attempt, Resumable
from edge_lab.probes.dial import CHUNK, ByteStream
from edge_lab.probes.record import Alert, Direction, ServerShown

__all__ = [
    "CannotOfferError",
    "NotTlsError",
    "PeerAlertError",
    "PeerClosedError",
    "TlsClient",
]

_EVERYTHING = b"ALL:@SECLEVEL=0"
"""Including old versions and weak keys: the peer must refuse them."""
_FATAL = 2


class CannotOfferError(Exception):
    """The local library does not support the attempt."""


class PeerAlertError(Exception):
    """The peer ended the connection with an alert."""


class PeerClosedError(Exception):
    """The peer closed the stream."""


class NotTlsError(Exception):
    """The peer does not speak TLS."""


class TlsClient:
    """One connection: handshake, reading, writing. Nothing of it is reused."""

    def __init__(self, attempt: Attempt, stream: ByteStream) -> None:
        self._stream = stream
        self.alert: Alert | None = None
        self.ticket = False
        self._hello_came = self._certificate_came = False
        self._began = False
        self.done = False
        self._head = b""
        context = attempt.stolen.context if attempt.stolen else _context(attempt)
        self._connection = SSL.Connection(context, None)
        self._connection.set_info_callback(self._note)
        self._connection.set_connect_state()
        if attempt.identity is not None:
            # On the connection, not the context: a peer that steals a session has no certificate.
            try:
                self._connection.use_certificate(attempt.identity.certificate)
                self._connection.use_privatekey(load_key(attempt.identity.key_pem))
            except (SSL.Error, ValueError) as trouble:
                raise CannotOfferError(f"certificate not usable: {trouble}") from trouble
        if attempt.stolen:
            self._connection.set_session(attempt.stolen.session)

    def _note(self, connection: SSL.Connection, where: int, code: int) -> None:
        if where & SSL.SSL_CB_ALERT:
            number = code & 0xFF
            if number and self.alert is None:  # 0 is close_notify, the regular end
                received = bool(where & SSL.SSL_CB_READ)
                direction = Direction.RECEIVED if received else Direction.SENT
                self.alert = Alert(number=number, direction=direction, fatal=code >> 8 == _FATAL)
            return
        if where & SSL.SSL_CB_LOOP:
            state = connection.get_state_string()
            # The states of OpenSSL's client (ssl/ssl_stat.c).
            self.ticket = self.ticket or b"server session ticket" in state
            came = b"read server certificate" in state and b"request" not in state
            self._hello_came = self._hello_came or b"read server hello" in state
            self._certificate_came = self._certificate_came or came

    # -- what it does --------------------------------------------------------------------

    def handshake(self, deadline: Deadline) -> None:
        while True:
            try:
                self._connection.do_handshake()
            except SSL.WantReadError:
                self._flush()
                self._fill(deadline)
            except (SSL.Error, SSL.ZeroReturnError) as trouble:
                self._raise(trouble)
            else:
                self.done = True
                self._flush()
                return

    def read(self, deadline: Deadline) -> bytes:
        """Some bytes from the peer; none at its end.

        Raises:
            SilentError: nothing was received in time.
            PeerAlertError: it ended the connection with an alert.
            PeerClosedError: it closed the stream without an alert.
        """
        while True:
            try:
                return self._connection.recv(CHUNK)
            except SSL.WantReadError:
                self._flush()
                self._fill(deadline)
            except SSL.ZeroReturnError:
                return b""
            except SSL.Error as trouble:
                self._raise(trouble)

    def read_until_told(self, deadline: Deadline) -> bytes:
        """Reads without writing until the peer has accepted or refused the certificate: by a
        session ticket, an alert or its end; SilentError if there is none in time."""
        while not self.ticket:
            try:
                data = self._connection.recv(CHUNK)
            except SSL.WantReadError:
                if self.ticket:
                    break
                self._fill(deadline)
            except SSL.ZeroReturnError:
                raise PeerClosedError from None
            except SSL.Error as trouble:
                self._raise(trouble)
            else:
                return data
        return b""

    def write(self, data: bytes) -> None:
        self._connection.sendall(data)
        self._flush()

    def _flush(self) -> None:
        with contextlib.suppress(SSL.WantReadError):
            while True:
                data = self._connection.bio_read(CHUNK)
                try:
                    self._stream.send(data)
                except OSError:
                    # What the peer sent before it closed is still to be read.
                    return

    def _fill(self, deadline: Deadline) -> None:
        try:
            data = self._stream.receive(deadline)
        except OSError as trouble:
            raise PeerClosedError(str(trouble)) from trouble
        if not data:
            raise PeerClosedError
        if not self._began:
            self._head += data
            self._began = len(self._head) >= len(b"HTTP/")
            if not _may_be_tls(self._head):
                raise NotTlsError(repr(self._head[:40]))
        self._connection.bio_write(data)

    def _raise(self, trouble: Exception) -> None:
        with contextlib.suppress(SSL.Error):
            self._flush()  # our own alert, if there is one
        if self.alert is not None and self.alert.direction is Direction.RECEIVED:
            raise PeerAlertError(_words(trouble)) from trouble
        raise CannotOfferError(_words(trouble)) from trouble

    # -- what it knows -------------------------------------------------------------------

    @property
    def version(self) -> str:
        """The negotiated version; empty before the server has sent it."""
        return self._connection.get_protocol_version_name() if self._hello_came else ""

    @property
    def cipher(self) -> str:
        return self._connection.get_cipher_name() or ""

    @property
    def alpn(self) -> str:
        return self._connection.get_alpn_proto_negotiated().decode(errors="replace")

    @property
    def resumed(self) -> bool:
        """Whether the handshake had no server certificate."""
        return self.done and not self._certificate_came

    @property
    def resumable(self) -> Resumable | None:
        """The session that another connection could resume."""
        session = self._connection.get_session() if self.done else None
        return Resumable(self._connection.get_context(), session) if session else None

    @property
    def server(self) -> ServerShown | None:
        """The certificate that the server presented."""
        shown = self._connection.get_peer_certificate(as_cryptography=True)
        return None if shown is None else server_shown(shown)


def _context(attempt: Attempt) -> SSL.Context:
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_verify(SSL.VERIFY_NONE)
    context.set_min_proto_version(attempt.least)
    context.set_max_proto_version(attempt.most)
    context.set_cipher_list(_EVERYTHING)
    if attempt.alpn:
        context.set_alpn_protos([name.encode() for name in attempt.alpn])
    return context


def server_shown(certificate: x509.Certificate) -> ServerShown:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        found: tuple[str, ...] = ()
    else:
        found = tuple(str(name.value) for name in names)
    return ServerShown(
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        names=found,
        starts=certificate.not_valid_before_utc.astimezone(UTC),
        ends=certificate.not_valid_after_utc.astimezone(UTC),
        serial=str(certificate.serial_number),
    )


_HANDSHAKE, _ALERT = 22, 21
"""Content types of the records that may come first (RFC 8446, 5.1)."""


def _may_be_tls(head: bytes) -> bool:
    return head[0] in (_HANDSHAKE, _ALERT) and (len(head) < 2 or head[1] == 3)


def _words(trouble: Exception) -> str:
    """The library's reasons."""
    reasons = trouble.args[0] if trouble.args else ()
    if isinstance(reasons, list):
        return "; ".join(str(reason[-1]) for reason in reasons)
    return str(trouble) or type(trouble).__name__
