"""A program of this host in a folder, as if Debian packages had been unpacked there."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


def unpack_host_program(root: Path, path: str, program: str = "/usr/bin/true") -> Path:
    """Puts `program` at `path` below `root`, with its libraries, which are absolute links."""
    source = Path(program)
    if not source.is_file() or not shutil.which("ldd"):
        pytest.skip(f"no {program}, or no ldd")
    place = root / path
    place.parent.mkdir(parents=True)
    shutil.copyfile(source, place)
    folder = root / "usr/lib/triplet"
    folder.mkdir(parents=True)
    listed = subprocess.run(["ldd", source], capture_output=True, text=True, timeout=60).stdout
    for word in listed.split():
        if word.startswith("/"):
            real = Path(word).resolve()
            shutil.copyfile(real, folder / f"{real.name}.real")
            link = folder / Path(word).name
            if not link.is_symlink():
                link.symlink_to(f"/usr/lib/triplet/{real.name}.real")
    return root
