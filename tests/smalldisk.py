"""A small file system on this host, which can be full."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

MIB = 24
BLOCK = 512


@contextlib.contextmanager
def perhaps_small_disk(folder: Path, *, mib: int = MIB) -> Iterator[bool]:
    """A tmpfs of some MiB at `folder`; whether it could be mounted, which takes root."""
    folder.mkdir(parents=True, exist_ok=True)
    mount = ("mount", "-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", str(folder))
    if os.geteuid() or subprocess.run(mount, capture_output=True).returncode:
        yield False
        return
    try:
        yield True
    finally:
        subprocess.run(("umount", "--lazy", str(folder)), check=True)


@contextlib.contextmanager
def small_disk(folder: Path, *, mib: int = MIB) -> Iterator[Path]:
    """The same; skips the test where it cannot be mounted."""
    with perhaps_small_disk(folder, mib=mib) as mounted:
        if not mounted:
            pytest.skip("no file system can be mounted here: run as root")
        yield folder


@contextlib.contextmanager
def filled(folder: Path, *, leave_bytes: int = 0) -> Iterator[None]:
    """The small file system that is mounted at the folder is full, but for `leave_bytes`."""
    assert folder.is_mount()
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(BLOCK))
    os.truncate(filler, filler.stat().st_size - leave_bytes)
    try:
        yield
    finally:
        filler.unlink()
