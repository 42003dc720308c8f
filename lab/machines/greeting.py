"""Whether an SSH server greets, asked without wearing an emulated guest out.

A guest's port on the host takes any connection at once, long before a server in the guest
does: nobody can tell a guest that is slow from one that has not heard. Each connection that
the server takes costs an emulated CPU a process, seconds of it, also when its client has gone
by then. So what was asked once stays asked, and is asked anew ever more seldom: only a
connection that was lost on its way, before the guest had a network, needs that.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time

PATIENCE = 2.0
"""Seconds for a greeting, each time that somebody asks."""


class Greeting:
    """The connections that wait for a greeting on one port of this host."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._waiting: list[socket.socket] = []
        self._asked_at = 0.0
        self._lock = threading.Lock()

    def comes(self, patience: float = PATIENCE) -> bool:
        """Whether a server greets on one of them within `patience` seconds."""
        with self._lock:
            if self._is_due():
                self._ask(patience)
            for connection in self._heard(patience):
                if _greets(connection):
                    self._forget()
                    return True
                self._waiting.remove(connection)
                connection.close()
            return False

    def forget(self) -> None:
        """Asks anew: whoever was asked is no more."""
        with self._lock:
            self._forget()

    def _is_due(self) -> bool:
        """With one waiting after 2 s, then after another 4, 8, 16 s; with none at once."""
        waited = time.monotonic() - self._asked_at
        return not self._waiting or waited >= PATIENCE * 2 ** (len(self._waiting) - 1)

    def _ask(self, patience: float) -> None:
        with contextlib.suppress(OSError):
            connection = socket.create_connection(("127.0.0.1", self._port), timeout=patience)
            self._waiting.append(connection)
            self._asked_at = time.monotonic()

    def _heard(self, patience: float) -> list[socket.socket]:
        """Those on which something came, or that ended, as soon as there is one."""
        if not self._waiting:
            return []
        with selectors.DefaultSelector() as selector:
            for connection in self._waiting:
                selector.register(connection, selectors.EVENT_READ, connection)
            return [key.data for key, _ in selector.select(patience)]

    def _forget(self) -> None:
        for connection in self._waiting:
            connection.close()
        self._waiting.clear()


def _greets(connection: socket.socket) -> bool:
    """Whether what came is the beginning of a greeting, and not the end of the connection."""
    with contextlib.suppress(OSError):
        return connection.recv(4).startswith(b"SSH")
    return False
