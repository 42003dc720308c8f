"""A line between a node and its cloud, as ports of this host: it can be cut, and be slow."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

CHUNK = 8192


class Line:
    """All ports of one node's uplink."""

    def __init__(self) -> None:
        self._open = threading.Event()
        self._open.set()
        self.bytes_per_second: float | None = None
        self._sockets: set[socket.socket] = set()
        self._servers: list[socket.socket] = []
        self._lock = threading.Lock()

    def port_to(self, host: str, port: int) -> int:
        """A port of loopback that leads there while the line is open."""
        server = socket.create_server(("127.0.0.1", 0))
        self._servers.append(server)
        threading.Thread(target=self._accept, args=(server, host, port), daemon=True).start()
        found: int = server.getsockname()[1]
        return found

    def _accept(self, server: socket.socket, host: str, port: int) -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            if not self._open.is_set():
                client.close()
                continue
            try:
                target = socket.create_connection((host, port), 10)
            except OSError:
                client.close()
                continue
            with self._lock:
                self._sockets |= {client, target}
            for source, sink in ((client, target), (target, client)):
                threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while chunk := source.recv(CHUNK):
                if self.bytes_per_second:
                    time.sleep(len(chunk) / self.bytes_per_second)
                sink.sendall(chunk)
        for each in (source, sink):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
            with self._lock:
                self._sockets.discard(each)

    @contextlib.contextmanager
    def cut(self) -> Iterator[None]:
        self._open.clear()
        with self._lock:
            sockets = list(self._sockets)
        for each in sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        try:
            yield
        finally:
            self._open.set()

    @contextlib.contextmanager
    def slow(self, bytes_per_second: float) -> Iterator[None]:
        self.bytes_per_second = bytes_per_second
        try:
            yield
        finally:
            self.bytes_per_second = None

    def close(self) -> None:
        for server in self._servers:
            server.close()
