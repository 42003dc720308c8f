"""Firmware as an artifact: what it is built from, and what is missing for it. Cargo, apt and the
compiler are shell scripts here; tests/devices builds and runs the real one."""

from __future__ import annotations

import hashlib
import io
import shutil
import tarfile
from pathlib import Path

import pytest

from edge_lab.artifacts import (
    ArtifactStore,
    Availability,
    CannotBuild,
    CannotObtain,
    Component,
    Want,
    host_arch,
)
from edge_lab.artifacts.firmware import cargo_version
from edge_lab.artifacts.model import DebianSource, FirmwareSource
from edge_lab.core.deadline import Deadline

CARGO = """\
case "$1" in
--version) echo "cargo ${CARGO_IS:-1.95.0} (0000)" ;;
vendor)
    [ -z "$CARGO_FAILS" ] || { echo "no such crate" >&2; exit 101; }
    [ "$2" = --locked ] || exit 9
    mkdir -p ../vendor/kernel && echo 'int kernel;' > ../vendor/kernel/kernel.c ;;
esac
"""
APT = """\
for word; do case "$word" in
update) exit 0 ;;
source) cp "$TARBALL" stack.tar.xz ;;
esac; done
"""
COMPILER = """\
case "$*" in
-print-file-name=*) [ -n "$NO_LIBRARY" ] && echo picolibc.specs || echo /lib/picolibc.specs ;;
-dumpfullversion) echo 12.2.1 ;;
*" -c "*)
    echo "$*" >> "$CALLS"
    for word; do case "$word" in *.c) cp "$word" "$(basename "$word" .c).o" ;; esac; done ;;
*) while [ "$1" != -o ]; do shift; done; out=$2; shift 2; cat "$@" > "$out" ;;
esac
"""


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    scripts = {"cargo": CARGO, "apt-get": APT, "arm-none-eabi-gcc": COMPILER}
    for name, text in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}")
        (folder / name).chmod(0o755)
    for name in ("sh", "cp", "mkdir", "basename", "cat", "echo"):
        (folder / name).symlink_to(shutil.which(name) or "")
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("CARGO_HOME", raising=False)
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    monkeypatch.setenv("TARBALL", str(tarball(tmp_path)))
    return folder


def tarball(folder: Path) -> Path:
    file = folder / "upstream.tar.xz"
    if not file.exists():
        with tarfile.open(file, "w:xz") as archive:
            content = b"int stack;\n"
            member = tarfile.TarInfo("stack-1/stack.c")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return file


@pytest.fixture
def store(tmp_path: Path, programs: Path) -> ArtifactStore:
    own = tmp_path / "images/firmware/small"
    (own / "src").mkdir(parents=True)
    (own / "Cargo.lock").write_text("version = 3\n")
    (own / "src/main.c").write_text("int main;\n")
    digest = hashlib.sha256(tarball(tmp_path).read_bytes()).hexdigest()
    return made(tmp_path, digest)


def made(folder: Path, digest: str) -> ArtifactStore:
    source = FirmwareSource(
        folder="small",
        crate="kernel",
        debian=DebianSource("stack", "trixie", "stack.tar.xz", digest),
        sources={"firmware": ("src/*.c",), "crate": ("*.c",), "debian": ("*.c",)},
        includes=("firmware/src",),
        script="firmware/board.ld",
    )
    catalog = {"small": Component("small", "0.1.0", firmware=source)}
    found = ArtifactStore(folder / "cache", catalog=catalog, recipes=folder / "images")
    found.update_lock()
    return found


WANT = Want("small", host_arch())


def test_it_is_linked_from_three_sources_and_cached(store: ArtifactStore, tmp_path: Path) -> None:
    (before,) = store.state([WANT])
    assert before.state is Availability.AVAILABLE
    artifact = store.resolve([WANT], Deadline.after(60))[WANT]
    text = artifact.path.read_text()
    assert sorted(text.split()) == sorted(["int", "main;", "int", "kernel;", "int", "stack;"])
    (after,) = store.state([WANT])
    assert after.state is Availability.CACHED
    calls = (tmp_path / "calls").read_text().splitlines()
    assert len(calls) == 3
    assert str(tmp_path) not in "".join(calls), "the result would depend on where it is built"


def test_a_changed_source_is_built_again(store: ArtifactStore, tmp_path: Path) -> None:
    first = store.resolve([WANT], Deadline.after(60))[WANT]
    (tmp_path / "images/firmware/small/src/main.c").write_text("int other;\n")
    second = store.resolve([WANT], Deadline.after(60))[WANT]
    assert first.path != second.path
    assert "other" in second.path.read_text()


def test_a_tarball_that_is_not_the_pinned_one_is_refused(
    store: ArtifactStore, tmp_path: Path
) -> None:
    with pytest.raises(CannotBuild, match="does not match its pin"):
        made(tmp_path, "0" * 64).resolve([WANT], Deadline.after(60))


def test_a_crate_that_cannot_be_fetched_is_told_with_what_cargo_said(
    store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CARGO_FAILS", "1")
    with pytest.raises(CannotBuild, match="no such crate"):
        store.resolve([WANT], Deadline.after(60))


@pytest.mark.parametrize(
    ("missing", "remedy"),
    [
        ("arm-none-eabi-gcc", "apt-get install gcc-arm-none-eabi picolibc-arm-none-eabi"),
        ("cargo", "apt-get install cargo"),
        ("apt-get", "lwIP"),
    ],
)
def test_what_is_missing_is_told_before_anything_is_built(
    store: ArtifactStore, programs: Path, missing: str, remedy: str
) -> None:
    (programs / missing).unlink()
    (state,) = store.state([WANT])
    assert state.state is Availability.MISSING
    assert remedy in state.remedy
    with pytest.raises(CannotObtain):
        store.resolve([WANT], Deadline.after(60))


@pytest.mark.parametrize(
    ("variable", "value", "remedy"),
    [("NO_LIBRARY", "1", "picolibc-arm-none-eabi"), ("CARGO_IS", "1.84.9", "1.85")],
)
def test_a_tool_that_is_not_enough_is_missing_too(
    store: ArtifactStore,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    value: str,
    remedy: str,
) -> None:
    monkeypatch.setenv(variable, value)
    (state,) = store.state([WANT])
    assert state.state is Availability.MISSING
    assert remedy in state.remedy


def test_a_version_of_cargo_is_read() -> None:
    assert cargo_version("cargo 1.95.0 (f2d3ce0bd 2026-03-21)\n") == (1, 95)
    assert cargo_version("") == ()
