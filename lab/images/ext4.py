"""ext4 disks from a folder, without mounting anything."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from lab.errors import LabError

_UUID = "5ed6e1ab-0000-4000-8000-000000000000"
"""Equal content makes equal bytes; guests find their disks by device, not by UUID."""


def make_ext4(
    disk: Path, tree: Path, *, mib: int, label: str, journal: bool = True, inodes: int = 0
) -> None:
    """A sparse disk of `mib` MiB at `disk` that holds the content of `tree`.

    Owners and modes are taken over as they are seen here.  `journal` off is for a disk that
    is only read.  `inodes` 0 leaves their number to mke2fs.
    """
    with disk.open("wb") as sink:
        sink.truncate(mib * 1024 * 1024)
    # All tables are laid out now: a guest would else write them at its leisure, each one anew.
    extended = f"lazy_itable_init=0,lazy_journal_init=0,nodiscard,hash_seed={_UUID}"
    argv = ["mke2fs", "-q", "-F", "-t", "ext4", "-m", "0", "-L", label, "-U", _UUID]
    argv += ["-E", extended, "-d", str(tree)]
    argv += [] if journal else ["-O", "^has_journal"]
    argv += ["-N", str(inodes)] if inodes else []
    made = subprocess.run(
        [*argv, str(disk)],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "E2FSPROGS_FAKE_TIME": "1", "SOURCE_DATE_EPOCH": "1"},
    )
    if made.returncode:
        raise LabError(f"mke2fs: {(made.stderr or made.stdout).strip()}")
