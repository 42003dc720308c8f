"""Creates ext4 disks from a folder, without mounting anything."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from edge_lab.core.errors import LabError
from edge_lab.images.contained import tool_path

_UUID = "5ed6e1ab-0000-4000-8000-000000000000"
"""Fixed, so that equal content gives equal bytes; guests find disks by device, not by UUID."""

_TIME = "1"
"""Timestamp of all files, seconds since 1970; e2fsprogs treats 0 as no time."""


@dataclass(frozen=True)
class Source:
    """A file of the host to be written to a disk."""

    file: Path
    mode: int


def make_ext4(disk: Path, tree: Path | None, *, mib: int, label: str, journal: bool = True) -> None:
    """Creates a sparse disk of `mib` MiB at `disk` with the content of `tree`, or empty.

    Owners and modes are copied as seen by this process.  Disable `journal` for disks that guests
    only read.
    """
    with disk.open("wb") as sink:
        sink.truncate(mib * 1024 * 1024)
    # Initializes all tables now: otherwise each guest would do so in the background.
    extended = f"lazy_itable_init=0,lazy_journal_init=0,nodiscard,hash_seed={_UUID}"
    argv = ["mke2fs", "-q", "-F", "-t", "ext4", "-m", "0", "-L", label, "-U", _UUID]
    argv += ["-E", extended]
    argv += ["-d", str(tree)] if tree else []
    argv += [] if journal else ["-O", "^has_journal"]
    made = _run([*argv, str(disk)])
    if made.returncode:
        raise LabError(f"mke2fs: {(made.stderr or made.stdout).strip()}")


def write_files(disk: Path, files: Mapping[str, Source], scratch: Path) -> None:
    """Writes `files`, by their paths in the file system, to an empty ext4 `disk`.

    debugfs writes in the given order, with fixed times and root as the owner: equal files give
    equal bytes, which `mke2fs -d` does not guarantee.  Restored guests depend on that.  `scratch`
    is an empty folder for links.
    """
    folders = {parent for path in files for parent in PurePosixPath("/", path).parents}
    commands = ["rmdir lost+found"]
    commands += [f"mkdir {folder}" for folder in sorted(folders) if folder.name]
    for number, (path, source) in enumerate(sorted(files.items())):
        place = PurePosixPath("/", path)
        # Arguments of debugfs cannot contain all characters of a path of the host.
        (scratch / str(number)).symlink_to(source.file.absolute())
        commands += [
            f"cd {place.parent}",
            f"write {number} {place.name}",
            f"set_inode_field {place} mode 0{stat.S_IFREG | source.mode:o}",
        ]
    done = _run(["debugfs", "-w", "-f", "-", str(disk)], "\n".join(commands) + "\n", scratch)
    # Its exit status is always 0, and its first line there is its version.
    complaints = [line for line in done.stderr.splitlines() if not line.startswith("debugfs 1.")]
    if done.returncode or complaints:
        raise LabError(f"debugfs: {'; '.join(complaints) or done.returncode}")


def _run(
    argv: list[str], given: str = "", folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv,
        input=given,
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**os.environ, "PATH": tool_path(), "E2FSPROGS_FAKE_TIME": _TIME},
    )
