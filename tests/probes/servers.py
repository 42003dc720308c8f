"""Endpoints for probes: OpenSSL's by Python's ssl, each right or with one planted defect."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from edge_lab.pki import Authority, CertificateSpec, Usage

ANSWER = b"HTTP/1.1 %d Said\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"

Talk = Callable[[socket.socket], None]


@contextlib.contextmanager
def serving(talk: Talk) -> Iterator[int]:
    """The port of a server that talks to each peer in turn, and is over with the block."""
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            with peer, contextlib.suppress(OSError):
                peer.settimeout(5)
                talk(peer)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        over.set()
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def plain_http(status: int = 200) -> Talk:
    def talk(peer: socket.socket) -> None:
        first = peer.recv(65536)
        peer.sendall(ANSWER % (status if first.startswith(b"GET ") else 400))

    return talk


def silent(peer: socket.socket) -> None:
    """Takes the connection, and says nothing for as long as the peer is there."""
    while peer.recv(65536):
        pass


def closing(peer: socket.socket) -> None:
    """Ends each connection at its first byte."""
    peer.recv(1)


def server_context(
    folder: Path, authority: Authority, *, verify: ssl.VerifyMode = ssl.CERT_REQUIRED
) -> ssl.SSLContext:
    identity = authority.issue(CertificateSpec("server", usages=(Usage.SERVER,)))
    both = folder / "server.pem"
    both.write_bytes(identity.combined_pem)
    ca = folder / "ca.pem"
    ca.write_bytes(authority.certificate_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    context.load_verify_locations(ca)
    context.verify_mode = verify
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def https(context: ssl.SSLContext, status: Callable[[ssl.SSLSocket], int] = lambda _: 200) -> Talk:
    """Answers with what `status` says of the peer."""

    def talk(peer: socket.socket) -> None:
        with context.wrap_socket(peer, server_side=True) as wrapped:
            if wrapped.recv(65536):
                wrapped.sendall(ANSWER % status(wrapped))

    return talk
