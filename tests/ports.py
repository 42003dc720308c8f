"""Ports of loopback on which nobody listens, for as long as a test needs that."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator


@contextlib.contextmanager
def closed_port() -> Iterator[int]:
    """A TCP port that refuses connections while the block runs: it is bound, so nobody else gets
    it, and nothing listens on it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield int(taken.getsockname()[1])
