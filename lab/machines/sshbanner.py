"""Waits for the banner of a guest's SSH server without overloading an emulated guest.

A guest's port on the host accepts connections immediately, long before a server in the guest
does: a slow guest cannot be distinguished from one that has not received the connection. Each
connection that the server accepts costs an emulated CPU a process and seconds of time, even if
its client is gone by then. So connections are kept open, and new ones are opened at growing
intervals: they are needed only if one was lost before the guest had a network.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time

PATIENCE = 2.0
"""Seconds to wait for a banner in each call."""


class SshBanner:
    """The connections that wait for a banner on one port, of this host by default."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self._address = (host, port)
        self._waiting: list[socket.socket] = []
        self._asked_at = 0.0
        self._lock = threading.Lock()

    def comes(self, patience: float = PATIENCE) -> bool:
        """Whether a banner arrives on one of them within `patience` seconds."""
        with self._lock:
            if self._is_due():
                self._ask(patience)
            for connection in self._heard(patience):
                if _is_banner(connection):
                    self._forget()
                    return True
                self._waiting.remove(connection)
                connection.close()
            return False

    def forget(self) -> None:
        """Closes all connections, for a new boot of the guest."""
        with self._lock:
            self._forget()

    def _is_due(self) -> bool:
        """When to open another one: after 2 s with one waiting, then 4, 8, 16 s; otherwise now."""
        waited = time.monotonic() - self._asked_at
        return not self._waiting or waited >= PATIENCE * 2 ** (len(self._waiting) - 1)

    def _ask(self, patience: float) -> None:
        with contextlib.suppress(OSError):
            connection = socket.create_connection(self._address, timeout=patience)
            self._waiting.append(connection)
            self._asked_at = time.monotonic()

    def _heard(self, patience: float) -> list[socket.socket]:
        """Waits for connections with data, or that have ended, and returns them."""
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


def _is_banner(connection: socket.socket) -> bool:
    """Whether the beginning of a banner was received, rather than the end of the connection."""
    with contextlib.suppress(OSError):
        return connection.recv(4).startswith(b"SSH")
    return False
