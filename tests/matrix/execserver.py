"""What a kubelet serves for `exec`: commands in containers, over a WebSocket."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

PROTOCOL = "v4.channel.k8s.io"
STDOUT, STDERR, STATUS = 1, 2, 3
CHUNK = 16_000
_ACCEPT = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""RFC 6455, section 1.3."""
_BINARY, _CLOSE = 0x82, 0x88

Argv = Callable[[str, list[str]], list[str]]
"""The command on this host, for a pod's name and its command."""


@contextlib.contextmanager
def exec_server(certificate: Path, key: Path, argv: Argv) -> Iterator[int]:
    """The port of a server, until the block is left."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_accept, args=(listener, context, argv), daemon=True)
        thread.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _accept(listener: socket.socket, context: ssl.SSLContext, argv: Argv) -> None:
    with contextlib.suppress(OSError):
        while True:
            connection, _ = listener.accept()
            with (
                contextlib.suppress(OSError),
                context.wrap_socket(connection, server_side=True) as tls,
            ):
                _serve(tls, argv)


def _serve(tls: ssl.SSLSocket, argv: Argv) -> None:
    with tls.makefile("rb") as reader:
        path = reader.readline().decode().split()[1]
        headers: dict[str, str] = {}
        while line := reader.readline().decode().strip():
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
    _upgrade(tls, headers)
    asked = urlsplit(path)
    _, _, _, pod, _ = asked.path.split("/")  # /exec/NAMESPACE/POD/CONTAINER
    done = subprocess.run(
        argv(pod, parse_qs(asked.query)["command"]), capture_output=True, timeout=120
    )
    for channel, data in ((STDOUT, done.stdout), (STDERR, done.stderr)):
        for at in range(0, len(data), CHUNK):
            _send(tls, channel, data[at : at + CHUNK])
    _send(tls, STATUS, json.dumps(_status(done.returncode)).encode())
    tls.sendall(bytes([_CLOSE, 0]))


def _upgrade(tls: ssl.SSLSocket, headers: Mapping[str, str]) -> None:
    assert PROTOCOL in headers["sec-websocket-protocol"]
    digest = hashlib.sha1((headers["sec-websocket-key"] + _ACCEPT).encode()).digest()
    tls.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        + f"Sec-WebSocket-Accept: {base64.b64encode(digest).decode()}\r\n".encode()
        + f"Sec-WebSocket-Protocol: {PROTOCOL}\r\n\r\n".encode()
    )


def _send(tls: ssl.SSLSocket, channel: int, data: bytes) -> None:
    payload = bytes([channel]) + data
    size = len(payload)
    head = bytes([_BINARY, size]) if size < 126 else bytes([_BINARY, 126]) + size.to_bytes(2, "big")
    tls.sendall(head + payload)


def _status(code: int) -> dict[str, object]:
    if not code:
        return {"metadata": {}, "status": "Success"}
    causes = [{"reason": "ExitCode", "message": str(code)}]
    return {
        "metadata": {},
        "status": "Failure",
        "reason": "NonZeroExitCode",
        "message": f"command terminated with exit code {code}",
        "details": {"causes": causes},
    }
