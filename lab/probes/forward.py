"""A loopback port that forwards its connections through a `Dial`, for programs that need a port."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

from edge_lab.core.deadline import Deadline
from edge_lab.probes.dial import CHUNK, ByteStream, Dial, NotConnectedError, SilentError

LOOK_SECONDS = 0.5
"""Seconds between checks whether the client is still connected."""


@dataclass
class _Forward:
    dial: Dial
    address: str
    port: int
    deadline: Deadline
    over: threading.Event = field(default_factory=threading.Event)

    def accept(self, listener: socket.socket) -> None:
        threads: list[threading.Thread] = []
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                break
            thread = threading.Thread(target=self._carry, args=(peer,))
            thread.start()
            threads = [other for other in threads if other.is_alive()] + [thread]
        for thread in threads:
            thread.join()

    def _carry(self, peer: socket.socket) -> None:
        gone = threading.Event()
        with (
            contextlib.suppress(NotConnectedError, OSError),
            peer,
            self.dial.connect(self.address, self.port, self.deadline) as stream,
        ):
            sender = threading.Thread(target=_send, args=(peer, stream, gone))
            sender.start()
            try:
                self._receive(peer, stream, gone)
            finally:
                with contextlib.suppress(OSError):
                    peer.shutdown(socket.SHUT_RDWR)
                sender.join()

    def _receive(self, peer: socket.socket, stream: ByteStream, gone: threading.Event) -> None:
        while not (gone.is_set() or self.over.is_set() or self.deadline.expired):
            try:
                data = stream.receive(Deadline.after(min(LOOK_SECONDS, self.deadline.remaining)))
            except SilentError:
                continue
            if not data:
                return
            peer.sendall(data)


def _send(peer: socket.socket, stream: ByteStream, gone: threading.Event) -> None:
    try:
        with contextlib.suppress(OSError):
            while data := peer.recv(CHUNK):
                stream.send(data)
    finally:
        gone.set()


@contextlib.contextmanager
def forwarded(dial: Dial, address: str, port: int, deadline: Deadline) -> Iterator[int]:
    """A port of 127.0.0.1 that forwards to `address`, as the dial's client reaches it.

    If the forward connection fails, the local one is closed. All are closed with the block.
    """
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    forward = _Forward(dial, address, port, deadline)
    thread = threading.Thread(target=forward.accept, args=(listener,))
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        forward.over.set()
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
