"""How a probe connects to its endpoint: anything that provides a stream of bytes.

In a lab that is `node_dial`: OpenSSH forwards the stream to the node that acts as the client, which
opens the TCP connection. So the peer sees the node's address, and nothing is installed there.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from edge_lab.core.deadline import Deadline

CHUNK = 65536
LEAVE_SECONDS = 2.0
"""Seconds for a forwarding program to exit after its stream is closed."""


class NotConnectedError(Exception):
    """There was no TCP connection; the message is that of the connecting program."""


class SilentError(Exception):
    """Nothing was received in time."""


class ByteStream(Protocol):
    def send(self, data: bytes) -> None:
        """OSError if the peer has closed the connection."""
        ...

    def receive(self, deadline: Deadline) -> bytes:
        """Some bytes; none at the end.

        Raises:
            SilentError: nothing was received before the deadline.
            NotConnectedError: there never was a connection.
        """
        ...


class Dial(Protocol):
    """Opens connections from one place."""

    @property
    def client(self) -> str:
        """The node that connects; `host` if none."""
        ...

    def connect(
        self, address: str, port: int, deadline: Deadline
    ) -> AbstractContextManager[ByteStream]:
        """NotConnectedError if there is no connection, at once or at the first `receive`."""
        ...


# -- from this host --------------------------------------------------------------------------


class _Socket:
    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def send(self, data: bytes) -> None:
        self._connection.sendall(data)

    def receive(self, deadline: Deadline) -> bytes:
        self._connection.settimeout(max(deadline.remaining, 0.001))
        try:
            return self._connection.recv(CHUNK)
        except TimeoutError as late:
            raise SilentError from late


@dataclass(frozen=True)
class SocketDial:
    """From this host: for endpoints on its loopback."""

    client: str = "host"

    @contextlib.contextmanager
    def connect(self, address: str, port: int, deadline: Deadline) -> Iterator[ByteStream]:
        try:
            connection = socket.create_connection((address, port), max(deadline.remaining, 0.001))
        except OSError as trouble:
            raise NotConnectedError(str(trouble)) from trouble
        with connection:
            yield _Socket(connection)


# -- by a program ----------------------------------------------------------------------------


class _Pipes:
    """The streams of a forwarding program. Only its exit code shows that it failed."""

    def __init__(self, program: subprocess.Popen[bytes]) -> None:
        self._program = program
        self._came = False

    def send(self, data: bytes) -> None:
        assert self._program.stdin is not None
        self._program.stdin.write(data)
        self._program.stdin.flush()

    def receive(self, deadline: Deadline) -> bytes:
        assert self._program.stdout is not None
        reader = self._program.stdout.fileno()
        ready, _, _ = select.select([reader], [], [], deadline.remaining)
        if not ready:
            raise SilentError
        data = os.read(reader, CHUNK)
        self._came = self._came or bool(data)
        if not data and not self._came:
            self._check_connected(deadline)
        return data

    def _check_connected(self, deadline: Deadline) -> None:
        assert self._program.stderr is not None
        try:
            code = self._program.wait(max(LEAVE_SECONDS, deadline.remaining))
        except subprocess.TimeoutExpired:
            return  # it is alive, so it has a connection, which the peer has closed
        if code:
            said = self._program.stderr.read(CHUNK).decode(errors="replace").strip()
            raise NotConnectedError(said or f"exit code {code}")


@dataclass(frozen=True)
class ProgramDial:
    """Connects by a program that forwards its standard streams to an address and a port."""

    client: str
    command: Callable[[str, int], Sequence[str]]
    environment: Mapping[str, str] | None = None

    @contextlib.contextmanager
    def connect(self, address: str, port: int, deadline: Deadline) -> Iterator[ByteStream]:
        program = subprocess.Popen(
            list(self.command(address, port)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.environment,
        )
        try:
            yield _Pipes(program)
        finally:
            _end(program)


def _end(program: subprocess.Popen[bytes]) -> None:
    """Closes its streams and ensures that it exits."""
    assert program.stdin is not None
    with contextlib.suppress(OSError):
        program.stdin.close()
    program.terminate()
    try:
        program.wait(Deadline.scaled(LEAVE_SECONDS).remaining)
    except subprocess.TimeoutExpired:
        program.kill()
        program.wait()
    for stream in (program.stdout, program.stderr):
        assert stream is not None
        stream.close()


def node_dial(
    ssh_config: Path, node: str, environment: Mapping[str, str] | None = None
) -> ProgramDial:
    """Connects from a node of a lab, with its ssh_config: over the shared connection, if any."""

    def command(address: str, port: int) -> Sequence[str]:
        return ["ssh", "-F", str(ssh_config), "-W", f"{address}:{port}", node]

    return ProgramDial(node, command, environment)
