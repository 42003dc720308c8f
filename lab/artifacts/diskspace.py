"""Errors for a full disk, with a remedy."""

from __future__ import annotations

import contextlib
import errno
import shutil
from collections.abc import Iterator
from pathlib import Path

from edge_lab.core.errors import LabError

GIB = 1024**3
_FULL = (errno.ENOSPC, errno.EDQUOT)


def disk_full(folder: Path, needed: int) -> LabError:
    """The error for a disk that lacks space for `needed` bytes below `folder`."""
    try:
        free = f"{shutil.disk_usage(folder).free / GIB:.1f} GiB are free"
    except OSError:
        free = "the free space is unknown"
    return LabError(
        f"the disk is full: {folder} needs about {needed / GIB:.1f} GiB more, {free}",
        remedy=f"Free some space there, or point XDG_CACHE_HOME (now above {folder}) "
        "at a larger disk.",
    )


@contextlib.contextmanager
def disk_full_as_error(folder: Path, needed: int) -> Iterator[None]:
    """Turns "no space left" (or "quota exceeded") in the block into a LabError with the folder."""
    try:
        yield
    except OSError as trouble:
        if trouble.errno in _FULL:
            raise disk_full(folder, needed) from trouble
        raise
