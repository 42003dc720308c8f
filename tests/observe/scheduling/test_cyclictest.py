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
from edge_lab.observe.scheduling.cyclictest import PLACE, Cyclictest, files_of
from edge_lab.provisioning.provision import GuestFile
from edge_lab.topology import Arch

LIBRARIES = "usr/lib/aarch64-linux-gnu"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """What apt unpacks: libraries are links to files of their versions."""
    for path in ("usr/bin/cyclictest", f"{LIBRARIES}/libc.so.6", f"{LIBRARIES}/libnuma.so.1.0.0"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(path)
    (tmp_path / LIBRARIES / "libnuma.so.1").symlink_to("libnuma.so.1.0.0")
    (tmp_path / LIBRARIES / "ld-linux-aarch64.so.1").write_text("loader")
    (tmp_path / "usr/lib/ld-linux-aarch64.so.1").symlink_to(
        "/lib/aarch64-linux-gnu/ld-linux-aarch64.so.1"
    )
    return tmp_path


def test_a_node_gets_program_loader_and_libraries(root: Path) -> None:
    files = {file.path: (file.content.decode(), file.mode) for file in files_of(root)}
    assert files == {
        f"{PLACE}/cyclictest": ("usr/bin/cyclictest", 0o755),
        f"{PLACE}/loader": ("loader", 0o755),
        f"{PLACE}/libc.so.6": (f"{LIBRARIES}/libc.so.6", 0o644),
        f"{PLACE}/libnuma.so.1": (f"{LIBRARIES}/libnuma.so.1.0.0", 0o644),
    }


def test_a_package_without_the_program_is_an_error(root: Path) -> None:
    (root / "usr/bin/cyclictest").unlink()
    with pytest.raises(LabError, match="cyclictest"):
        files_of(root)


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
    assert set(machine.files) >= {f"{PLACE}/cyclictest", f"{PLACE}/loader"}
    assert test.run(5).total == 22
    assert f"{PLACE}/loader --library-path {PLACE} {PLACE}/cyclictest" in machine.commands[-1]
    assert "--duration=5" in machine.commands[-1]
    assert "tcg" in test.evidence()


@pytest.mark.usefixtures("_unpacked")
def test_a_cpu_without_wake_ups_is_no_evidence() -> None:
    with pytest.raises(LabError):
        Cyclictest.on(lab_of(FakeMachine(result(10, 0))), "edge-arm").run(5)
