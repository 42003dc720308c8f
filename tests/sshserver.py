"""OpenSSH's own server on loopback, as a process of the test."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.core.ports import choose_ports
from edge_lab.machines.keys import SshKey


@dataclass(frozen=True)
class SshServer:
    port: int
    process: subprocess.Popen[bytes]

    def connections(self) -> list[int]:
        """The processes that serve one each."""
        pid = self.process.pid
        try:
            return [int(each) for each in _children(pid)]
        except OSError:  # it has ended
            return []

    def kill(self) -> None:
        """As a host that loses its power: without a word on any connection."""
        connections = self.connections()
        for pid in (self.process.pid, *connections):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(60)


def _children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


@contextlib.contextmanager
def ssh_server(folder: Path, host: SshKey, client: SshKey) -> Iterator[SshServer]:
    """Takes the key of `client` until the block is left; a skip if sshd is not here.

    `folder` is for its files.
    """
    path = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
    if path is None:
        pytest.skip("no sshd here: apt-get install openssh-server")
    (port,) = choose_ports(1)
    key, authorized = folder / "host", folder / "authorized"
    key.touch(mode=0o600)
    key.write_bytes(host.private)
    authorized.write_text(client.public + "\n")
    config = folder / "sshd_config"
    config.write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {key}\nPidFile none\n"
        f"AuthorizedKeysFile {authorized}\nStrictModes no\nUsePAM no\nMaxSessions 64\n"
        "PermitRootLogin yes\n"
    )
    log = folder / "sshd.log"
    with log.open("wb") as sink:
        process = subprocess.Popen([path, "-D", "-e", "-f", str(config)], stderr=sink)

    def greets() -> bool:
        if process.poll() is not None:
            pytest.skip(f"sshd does not start here: {log.read_text()[-300:]}")
        with socket.create_connection(("127.0.0.1", port), 5) as line:
            return line.recv(4) == b"SSH-"

    try:
        Deadline.after(60).wait_for("sshd greets", greets, every=0.05, transient=(OSError,))
        yield SshServer(port, process)
    finally:
        process.terminate()
        process.wait(60)
