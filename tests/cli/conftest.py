"""A lab that is up as far as files and processes tell, and a machine behind its SSH."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.core.home import RunDir
from edge_lab.core.ports import choose_ports
from edge_lab.machines import LabKeys, write_ssh_config
from edge_lab.topology import Topology
from tests.cli import fake_ssh
from tests.test_lifecycle import living

NODE = "edge-arm"
COMMAND = (sys.executable, "-c", "from edge_lab.cli import main; main()")


@dataclass(frozen=True)
class Reached:
    """A lab whose node edge-arm is this machine; its home there is a folder of its own."""

    run: RunDir
    home: Path

    def argv(self, *arguments: str) -> list[str]:
        return [*COMMAND, *arguments]

    def lab(
        self, *arguments: str, stdin: bytes | None = None, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            self.argv(*arguments),
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            timeout=60,
            cwd=cwd,
            check=False,
        )


@pytest.fixture
def up(default_topology: Topology) -> Iterator[RunDir]:
    """The default lab, up."""
    with living(default_topology) as run:
        yield run


@pytest.fixture(params=["pipes", "sshd"])
def reached(
    request: pytest.FixtureRequest, up: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Reached]:
    home = tmp_path / "home of root"
    home.mkdir()
    if request.param == "pipes":
        folder = tmp_path / "bin"
        folder.mkdir()
        program = folder / "ssh"
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -S {fake_ssh.__file__} "$@"\n')
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        monkeypatch.setenv("FAKE_SSH_HOME", str(home))
        write_ssh_config(up, [_spec(*choose_ports(1))])
        yield Reached(up, home)
        return
    with _sshd(up, tmp_path) as port:
        write_ssh_config(up, [_spec(port)])
        yield Reached(up, home)
        subprocess.run(
            ["ssh", "-F", str(up.ssh_config), "-O", "exit", NODE], capture_output=True, check=False
        )


class _sshd:  # noqa: N801
    """OpenSSH's own server on loopback, which takes the lab's key; a skip if it is not here."""

    def __init__(self, run: RunDir, folder: Path) -> None:
        self._folder = folder
        self._keys = LabKeys(run.keys)
        (self._port,) = choose_ports(1)

    def __enter__(self) -> int:
        path = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
        if path is None:
            pytest.skip("no openssh-server here")
        _ = self._keys.client
        host, authorized = self._folder / "host", self._folder / "authorized"
        host.touch(mode=0o600)
        host.write_bytes(self._keys.host(NODE).private)
        authorized.write_text(self._keys.client.public + "\n")
        config = self._folder / "sshd_config"
        config.write_text(
            f"Port {self._port}\nListenAddress 127.0.0.1\nHostKey {host}\nPidFile none\n"
            f"AuthorizedKeysFile {authorized}\nStrictModes no\nUsePAM no\nMaxSessions 64\n"
            "PermitRootLogin yes\n"
        )
        with (self._folder / "sshd.log").open("wb") as log:
            self._process = subprocess.Popen([path, "-D", "-e", "-f", str(config)], stderr=log)

        def greets() -> bool:
            if self._process.poll() is not None:
                pytest.skip("sshd does not start here")
            with socket.create_connection(("127.0.0.1", self._port), 5) as line:
                return line.recv(4) == b"SSH-"

        Deadline.after(10).wait_for("sshd greets", greets, every=0.05, transient=(OSError,))
        return self._port

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(10)


def _spec(port: int) -> Any:
    """What ssh_config needs to know of a guest."""
    spec: Any = SimpleNamespace(name=NODE, ssh_port=port)
    return spec


def gone(pattern: str) -> bool:
    """Whether no process has `pattern` in its command line."""
    needle = pattern.encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if needle in (entry / "cmdline").read_bytes():
                    return False
            except OSError:
                continue
    return True
