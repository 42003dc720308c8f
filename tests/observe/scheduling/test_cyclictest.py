"""cyclictest on a node: what of the packages it gets, and what is run there."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edge_lab.core.errors import LabError
from edge_lab.observe.scheduling import cyclictest
from edge_lab.observe.scheduling.cyclictest import PLACE, Cyclictest
from edge_lab.provisioning.provision import GuestFile
from edge_lab.topology import Arch
from tests.images.unpacked import unpack_host_program

PROGRAMS = f"{PLACE}/debian"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return unpack_host_program(tmp_path, "usr/bin/cyclictest")


@dataclass
class FakeMachine:
    """A node of two CPUs that writes what is planted as the result."""

    result: str
    arch: Arch = Arch.AARCH64
    commands: list[str] = field(default_factory=list)
    files: dict[str, GuestFile] = field(default_factory=dict)

    def run(self, command: str, deadline: Any = None) -> Any:
        self.commands.append(command)
        return SimpleNamespace(stdout="2\n")

    def write(self, file: GuestFile, deadline: Any = None) -> None:
        self.files[file.path] = file

    def read(self, path: str, deadline: Any = None) -> bytes:
        return self.result.encode()


def lab_of(machine: FakeMachine) -> Any:
    state = SimpleNamespace(accelerator={"edge-arm": "tcg"})
    return SimpleNamespace(machine=lambda node: machine, state=state)


def result(*cycles: int) -> str:
    threads = {
        str(number): {"histogram": {"9": count}, "cycles": count, "max": 9}
        for number, count in enumerate(cycles)
    }
    return json.dumps({"thread": threads})


@pytest.fixture
def _unpacked(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cyclictest, "unpacked", lambda *_: root)


@pytest.mark.usefixtures("_unpacked")
def test_it_is_run_from_memory_by_its_own_loader() -> None:
    machine = FakeMachine(result(10, 12))
    test = Cyclictest.on(lab_of(machine), "edge-arm")
    names = {f"{PROGRAMS}/{name}" for name in ("cyclictest", "loader", "lib/libc.so.6")}
    assert set(machine.files) >= names
    assert {file.mode for file in machine.files.values()} == {0o755}
    assert machine.commands[0] == f"mkdir -p {PROGRAMS} {PROGRAMS}/lib"
    assert test.run(5).total == 22
    started = f"{PROGRAMS}/loader --library-path {PROGRAMS}/lib {PROGRAMS}/cyclictest"
    assert started in machine.commands[-1]
    assert "--duration=5" in machine.commands[-1]
    assert "tcg" in test.evidence()


@pytest.mark.usefixtures("_unpacked")
def test_a_cpu_without_wake_ups_is_no_evidence() -> None:
    with pytest.raises(LabError):
        Cyclictest.on(lab_of(FakeMachine(result(10, 0))), "edge-arm").run(5)


@pytest.mark.usefixtures("_unpacked")
def test_a_package_without_the_program_is_an_error(root: Path) -> None:
    (root / "usr/bin/cyclictest").unlink()
    with pytest.raises(LabError):
        Cyclictest.on(lab_of(FakeMachine(result(10, 12))), "edge-arm")
