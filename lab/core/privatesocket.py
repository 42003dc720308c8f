"""Unix sockets that only their owner may connect to."""

from __future__ import annotations

import os
import socket
from pathlib import Path


def bind_private(server: socket.socket, path: Path) -> None:
    """Binds `server` to a new socket file at `path` with mode 0600, whatever the umask.

    The file never exists with another mode. Not thread-safe: the umask belongs to the process.

    Raises:
        OSError: the file cannot be created.
    """
    before = os.umask(0o177)
    try:
        server.bind(str(path))
    finally:
        os.umask(before)
