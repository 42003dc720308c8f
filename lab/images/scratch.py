"""Scratch folders of image builds, and the lock under which they are created and removed."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import DeadlineExceeded
from edge_lab.core.home import cache_home
from edge_lab.core.step import Step
from edge_lab.images.contained import prefix

_ATTEMPT_SECONDS = 1.0


@contextlib.contextmanager
def building(kind: str, deadline: Deadline, progress: Step | None = None) -> Iterator[Path]:
    """A folder for a build of `kind`, while no other process builds that kind.

    It is on the cache's file system, and is removed after the block; the folders of killed
    builds are removed first.
    """
    rooms = cache_home() / "tmp"
    rooms.mkdir(parents=True, exist_ok=True)
    lock = FileLock(rooms / f"{kind}.lock")
    while True:
        try:
            lock.acquire(timeout=min(_ATTEMPT_SECONDS, deadline.remaining))
            break
        except Timeout:
            if deadline.expired:
                raise DeadlineExceeded(
                    f"another process did not finish building a {kind} within "
                    f"{deadline.total:.0f} s",
                    remedy=f"It holds {lock.lock_file}.",
                ) from None
            if progress:
                progress.progress(f"waiting for another process that builds a {kind}")
    try:
        for left in rooms.glob(f"{kind}.*.d"):
            discard(left)
        folder = Path(tempfile.mkdtemp(prefix=f"{kind}.", suffix=".d", dir=rooms))
        try:
            yield folder
        finally:
            discard(folder)
    finally:
        lock.release()


def discard(folder: Path) -> None:
    """Removes `folder`, including files of the other users of a user namespace."""
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists() and os.geteuid() != 0:
        subprocess.run(
            [*prefix(), "rm", "-rf", "--", str(folder)],
            check=False,
            capture_output=True,
        )


def settle(file: Path) -> None:
    """Flushes the content of `file` to the disk, before it gets the name of a complete file."""
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
