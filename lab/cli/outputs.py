"""Output files and folders of commands, checked before anything else is done."""

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
    """InputError if `path` cannot be written to; what is in it stays, and nothing new is left."""
    if path == STDOUT:
        return
    with _told(path, option):
        real = path.resolve()  # a link may lead to what is not there yet
        new = not real.exists()
        # Not to wait for the reader of a named pipe; that is a file without one, so far.
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
    """InputError if `path` is no folder to write into, and cannot be made; nothing new is left."""
    with _told(path, option):
        new = [each for each in (path, *path.parents) if not os.path.lexists(each)]
        try:
            path.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=path):
                pass
        finally:
            for folder in new:
                with contextlib.suppress(OSError):
                    folder.rmdir()


def write_file(path: Path, text: str, option: str) -> None:
    """Writes `text`; `-` is standard output. InputError if it could not be written after all."""
    if path == STDOUT:
        sys.stdout.write(text)
        return
    with _told(path, option):
        path.write_text(text, encoding="utf-8")


@contextlib.contextmanager
def _told(path: Path, option: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as trouble:  # ValueError: a path with a zero byte in it
        reason = getattr(trouble, "strerror", None) or trouble
        raise InputError(
            f"{option}: cannot write to {str(path)!r}: {reason}",
            remedy=f"Give {option} another path.",
        ) from trouble
