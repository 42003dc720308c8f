"""Loopback ports for one lab, distinct from those of other labs.

Ports are taken below the kernel's ephemeral range, so that no outgoing connection grabs
one between allocation and use. Ports in the state files of other labs are excluded, and a lock
keeps two `lab up` from choosing at the same time.
"""

from __future__ import annotations

import contextlib
import random
import socket
from collections.abc import Iterable

from edge_lab.core.errors import InputError, LabError

FIRST, LAST = 20_000, 32_000


def port_of(listens: str) -> int:
    """The port of `address:port`; the address may be empty."""
    return int(listens.rpartition(":")[2])


def is_free(port: int) -> bool:
    """Whether 127.0.0.1:`port` can be bound now, for both UDP and TCP."""
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with contextlib.closing(socket.socket(socket.AF_INET, kind)) as probe:
            if kind == socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True


def choose_ports(count: int, taken: Iterable[int] = ()) -> tuple[int, ...]:
    """`count` different free ports of 127.0.0.1 that are not in `taken`."""
    avoid = set(taken)
    candidates = [port for port in range(FIRST, LAST) if port not in avoid]
    # A random first port avoids the immediate reuse of a port that was just released.
    start = random.randrange(len(candidates))
    chosen: list[int] = []
    for port in (*candidates[start:], *candidates[:start]):
        if len(chosen) == count:
            return tuple(chosen)
        if is_free(port):
            chosen.append(port)
    raise LabError(
        f"no {count} free loopback ports between {FIRST} and {LAST}",
        remedy="Stop labs that you no longer need with `lab down --lab NAME`.",
    )


def require_free(port: int, what: str) -> int:
    """`port`, if it is free; otherwise InputError with the remedy."""
    if not 0 < port < 65_536:
        raise InputError(f"{port} is not a port number", remedy="Ports are 1 to 65535.")
    if not is_free(port):
        raise InputError(
            f"port {port} on 127.0.0.1 is in use, but {what} needs it",
            remedy="Choose another port, or omit the option: the lab then finds a free port.",
        )
    return port
