"""Components with build tags, and with parts in C."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_lab.artifacts import ArtifactStore, CannotObtain, Component, GoSource, Want, host_arch
from edge_lab.artifacts.ccompiler import c_compiler
from edge_lab.core.deadline import Deadline
from edge_lab.topology import Arch
from tests.artifacts.conftest import FakeGo

PACKAGE = "example.org/hub/cmd/"
MIXED = {
    "plain": Component("plain", "0.1.0", go=GoSource("ours", PACKAGE + "plain")),
    "tagged": Component(
        "tagged", "0.1.0", go=GoSource("ours", PACKAGE + "tagged", tags=("a", "b"))
    ),
    "in-c": Component("in-c", "0.1.0", go=GoSource("ours", PACKAGE + "in-c", cgo=True)),
}
FOREIGN = next(arch for arch in Arch if arch is not host_arch())


@pytest.fixture
def mixed(cache: Path, recipes: Path, fake_go: FakeGo) -> ArtifactStore:
    store = ArtifactStore(cache, catalog=MIXED, recipes=recipes)
    store.update_lock()
    return store


def compiler(folder: Path, arch: Arch) -> None:
    """A C compiler in PATH, beside the false `go`."""
    program = folder / c_compiler(arch)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)


def test_programs_of_other_flags_are_built_apart(
    mixed: ArtifactStore, fake_go: FakeGo, tmp_path: Path
) -> None:
    compiler(tmp_path / "bin", host_arch())
    wants = [Want(name, host_arch()) for name in MIXED]
    mixed.resolve(wants, Deadline.after(60))
    by_program = {call.split()[-1].rpartition("/")[2]: call.split() for call in fake_go.calls}
    assert set(by_program) == set(MIXED)
    assert "-tags=a,b" in by_program["tagged"]
    assert not any(word.startswith("-tags") for word in by_program["plain"])


def test_c_is_compiled_for_the_architecture(
    mixed: ArtifactStore, fake_go: FakeGo, tmp_path: Path
) -> None:
    compiler(tmp_path / "bin", FOREIGN)
    mixed.resolve([Want("in-c", FOREIGN)], Deadline.after(60))
    assert fake_go.environment["CGO_ENABLED"] == "1"
    mixed.resolve([Want("plain", FOREIGN)], Deadline.after(60))
    assert {"CGO_ENABLED=0", "CGO_ENABLED=1"} <= set(fake_go.calls_file.read_text().splitlines())


def test_without_a_compiler_it_is_said_which_package_has_it(
    mixed: ArtifactStore, fake_go: FakeGo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nothing else is in PATH: the machine may have the compiler.
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(CannotObtain) as refused:
        mixed.resolve([Want("in-c", FOREIGN)], Deadline.after(60))
    assert "apt-get install gcc-" in str(refused.value)
    assert fake_go.calls == []
