"""A lab that is up as far as files and processes tell, and a machine behind its SSH."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edge_lab.core.home import RunDir
from edge_lab.core.ports import choose_ports
from edge_lab.machines import LabKeys, write_ssh_config
from edge_lab.topology import Topology
from tests.cli import fake_ssh
from tests.sshserver import ssh_server
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
    keys = LabKeys(up.keys)
    with ssh_server(tmp_path, keys.host(NODE), keys.client) as server:
        write_ssh_config(up, [_spec(server.port)])
        yield Reached(up, home)
        subprocess.run(
            ["ssh", "-F", str(up.ssh_config), "-O", "exit", NODE], capture_output=True, check=False
        )


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
