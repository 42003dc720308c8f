"""Disks of machines: what the copy for a checkpoint holds, whatever overlays it was made from."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.machines.disk import create_overlay, flatten_overlay

pytestmark = pytest.mark.skipif(not shutil.which("qemu-io"), reason="needs qemu-utils")

MIB = 1024 * 1024
SIZE = 8 * MIB
CLUSTER = 64 * 1024


def write(disk: Path, offset: int, pattern: int, length: int = CLUSTER) -> None:
    """As a guest: a pattern at an offset, or zeros written over what was there."""
    subprocess.run(
        ["qemu-io", "-f", "qcow2", "-c", f"write -P {pattern} {offset} {length}", str(disk)],
        check=True,
        capture_output=True,
    )


def content(disk: Path, form: str, folder: Path) -> bytes:
    """All that a guest would read."""
    raw = folder / "read.raw"
    subprocess.run(
        ["qemu-img", "convert", "-f", form, "-O", "raw", str(disk), str(raw)],
        check=True,
        capture_output=True,
    )
    return raw.read_bytes()


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """The root image that all machines share: bytes of 1 throughout."""
    disk = tmp_path / "base.raw"
    disk.write_bytes(b"\x01" * SIZE)
    return disk


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_a_copy_holds_what_was_written_at_every_level(
    base: Path, tmp_path: Path, levels: int
) -> None:
    below, form = base, "raw"
    for level in range(levels):
        overlay = tmp_path / f"level{level}.qcow2"
        create_overlay(overlay, below, "raw" if form == "raw" else "qcow2")
        write(overlay, (1 + level) * MIB, 16 + level)  # at this level only
        write(overlay, 5 * MIB, 32 + level)  # at every level: the newest counts
        below, form = overlay, "qcow2"
    write(below, 0, 0, CLUSTER // 2)  # zeros where there was something
    before = content(below, "qcow2", tmp_path)
    target = tmp_path / "checkpoint.qcow2"
    flatten_overlay(below, base, target, Deadline.after(60))
    for level in range(levels):  # it needs the base and nothing else
        (tmp_path / f"level{level}.qcow2").unlink()
    assert content(target, "qcow2", tmp_path) == before
    # What nobody wrote stays in the base: a checkpoint is small.
    assert target.stat().st_size < 3 * MIB


def test_the_copied_disks_are_left_as_they_were(base: Path, tmp_path: Path) -> None:
    lower, upper = tmp_path / "lower.qcow2", tmp_path / "upper.qcow2"
    create_overlay(lower, base, "raw")
    write(lower, 0, 7)
    create_overlay(upper, lower, "qcow2")
    write(upper, MIB, 8)
    before = [file.read_bytes() for file in (base, lower, upper)]
    flatten_overlay(upper, base, tmp_path / "checkpoint.qcow2", Deadline.after(60))
    assert [file.read_bytes() for file in (base, lower, upper)] == before


def test_a_copy_that_fails_leaves_nothing(base: Path, tmp_path: Path) -> None:
    target = tmp_path / "checkpoint.qcow2"
    with pytest.raises(LabError):
        flatten_overlay(tmp_path / "nothing.qcow2", base, target, Deadline.after(60))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["base.raw"]
