"""Output files and folders of commands, checked before the command does anything."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from edge_lab.core.errors import InputError

STDOUT = Path("-")


def check_file(path: Path, option: str) -> None:
    """InputError if `path` is not writable. Keeps its content, and leaves no new file."""
    if path == STDOUT:
        return
    with _told(path, option):
        real = path.resolve()  # the target of a link may not exist yet
        new = not real.exists()
        # O_NONBLOCK, so as not to wait for the reader of a named pipe, which may come later.
        try:
            descriptor = os.open(
                path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK, 0o666
            )
        except OSError as trouble:
            if trouble.errno == errno.ENXIO and stat.S_ISFIFO(path.stat().st_mode):
                return
            raise
        os.close(descriptor)
        if new:
            real.unlink()


def check_folder(path: Path, option: str) -> None:
    """InputError if `path` is not a writable folder and cannot become one. Leaves no new folder."""
    with _told(path, option):
        new = [folder for folder in (path, *path.parents) if not os.path.lexists(folder)]
        try:
            path.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=path):
                pass
        finally:
            for folder in new:
                with contextlib.suppress(OSError):
                    folder.rmdir()


def write_file(path: Path, text: str, option: str) -> None:
    """Writes `text`; `-` is standard output. InputError if writing fails."""
    if path == STDOUT:
        sys.stdout.write(text)
        return
    with _told(path, option):
        path.write_text(text, encoding="utf-8")


@contextlib.contextmanager
def _told(path: Path, option: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as trouble:  # ValueError: the path contains a null byte
        reason = getattr(trouble, "strerror", None) or trouble
        raise InputError(
            f"{option}: cannot write to {str(path)!r}: {reason}",
            remedy=f"Give {option} another path.",
        ) from trouble
