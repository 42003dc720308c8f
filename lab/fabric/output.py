"""The outputs of captures: a file, a ring of files, a pipe, standard output.

Opened by the process that requested the capture.  A file contains only complete pcapng blocks,
also when the disk is full; a pipe without a reader blocks its writer only.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select
import stat
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from edge_lab.core.errors import InputError, LabError

STANDARD_OUTPUT = "-"

_GONE = frozenset({errno.EPIPE, errno.ECONNRESET})


class ReaderGoneError(Exception):
    """The reader has closed the pipe."""


class StalledError(Exception):
    """The pipe was not read within the time limit."""


@dataclass(frozen=True)
class Limits:
    """How much of a capture is kept."""

    max_bytes: int | None = None
    """Of one file; it contains at least one frame. The capture ends there, or continues in the
    next file."""
    files: int = 1
    """Maximum number of files that are kept, the newest ones; numbered if more than one."""


class Written(NamedTuple):
    """The result of writing blocks."""

    size: int
    """Bytes written, possibly not up to the end of a block."""
    trouble: Exception | None = None
    """Why the rest was not written: OSError, ReaderGoneError or StalledError."""


class Output:
    """One open file, pipe or device that takes whole blocks."""

    def __init__(self, descriptor: int, name: str) -> None:
        """Takes ownership of the descriptor."""
        self.name = name
        self.written = 0
        """Bytes of whole blocks."""
        self._descriptor = descriptor
        kind = os.fstat(descriptor).st_mode
        self.is_file = stat.S_ISREG(kind)
        self._begins_at = _position(descriptor) if self.is_file else 0
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)

    @classmethod
    def to(cls, where: str) -> Output:
        """Opens a path, or standard output for `-`.

        An existing file is replaced. Opening a named pipe waits until it has a reader.

        Raises:
            InputError: it cannot be opened, is a terminal, or another capture goes there.
        """
        if where == STANDARD_OUTPUT or _is_standard_output(where):
            own, opened = False, cls(os.dup(1), "standard output")
        else:
            own = True
            try:
                flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
                opened = cls(os.open(where, flags, 0o644), where)
            except OSError as trouble:
                raise InputError(
                    f"cannot write the capture to {where}: {trouble.strerror}",
                    remedy="Use a file in an existing folder that you can write to.",
                ) from trouble
        try:
            opened._claim()
            if own and opened.is_file:
                os.ftruncate(opened._descriptor, 0)
        except BaseException:
            opened.close()
            raise
        return opened

    @property
    def is_shown(self) -> bool:
        """Whether it is this process's standard output."""
        with contextlib.suppress(OSError):
            return os.path.samestat(os.fstat(self._descriptor), os.fstat(1))
        return False

    def watch(self, poll: select.poll) -> int:
        """Registers with `poll` for the reader's end; returns the registered descriptor."""
        if not self.is_file:
            poll.register(self._descriptor, 0)
        return self._descriptor

    def write(self, blocks: memoryview, wake: int) -> Written:
        """Writes whole blocks; waits for a reader until `wake` is readable."""
        done = 0
        while done < len(blocks):
            try:
                if not self.is_file:
                    self._wait(wake)
                # What a writable pipe accepts without blocking.
                most = len(blocks) if self.is_file else done + select.PIPE_BUF
                done += os.write(self._descriptor, blocks[done:most])
            except BlockingIOError:  # another has made the pipe so
                continue
            except OSError as trouble:
                return Written(done, ReaderGoneError() if trouble.errno in _GONE else trouble)
            except (ReaderGoneError, StalledError) as trouble:
                return Written(done, trouble)
        return Written(done)

    def _wait(self, wake: int) -> None:
        self._poll.register(wake, select.POLLIN)
        events = dict(self._poll.poll())
        event = events.get(self._descriptor, 0)
        if event & select.POLLOUT:
            return
        raise ReaderGoneError if event else StalledError

    def cut_to(self, size: int) -> None:
        """Truncates the partial block that a full disk has left behind."""
        self.written = size
        if self.is_file:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self._begins_at + size)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            os.close(self._descriptor)

    def _claim(self) -> None:
        if os.isatty(self._descriptor):
            raise InputError(
                "refusing to write a binary capture to the terminal",
                remedy="Pipe it (lab capture LINK -o - | tshark -i -) or write to a file "
                "with -o FILE.",
            )
        if not self.is_file:
            return
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"another capture is being written to {self.name}",
                remedy="Use another file with -o, or run `lab capture LINK --stop` first.",
            ) from None
        except OSError:  # a file system without locks
            pass


@dataclass
class KeptFile:
    """A file with frames in it."""

    path: Path
    frames: int = 0


class Files:
    """A sequence of files of which the newest are kept."""

    def __init__(self, where: str, limits: Limits) -> None:
        """Opens the first.

        Raises:
            InputError: it cannot be opened, or cannot be split into several files.
        """
        self._where = where
        self._limits = limits
        self._number = 1
        self.kept: deque[KeptFile] = deque()
        """None for a pipe."""
        self.removed_frames = 0
        """Frames in the files of a ring that were removed."""
        if limits.files > 1:
            if where == STANDARD_OUTPUT or not _may_be_file(Path(where)):
                raise InputError(
                    f"--files needs a regular file, and {where} is not one",
                    remedy="Give a file with -o, or omit --files.",
                )
            if limits.max_bytes is None:
                raise InputError(
                    "--files needs the size of each file", remedy="Add --max-size 10M."
                )
        self.output = self._open()

    @property
    def is_ring(self) -> bool:
        return self._limits.files > 1

    @property
    def room(self) -> int | None:
        """Remaining space, bytes; None if there is no limit."""
        most = self._limits.max_bytes
        return None if most is None else max(0, most - self.output.written)

    def next(self) -> None:
        """Starts the next file, and removes the oldest if there are too many.

        Raises:
            LabError: it cannot be made.
        """
        self.output.close()
        self._number += 1
        try:
            self.output = self._open()
        except InputError as trouble:
            raise LabError(trouble.message, remedy=trouble.remedy) from trouble
        while len(self.kept) > self._limits.files:
            oldest = self.kept.popleft()
            oldest.path.unlink(missing_ok=True)
            self.removed_frames += oldest.frames

    def count(self, frames: int) -> None:
        """Adds to the number of frames in the current file."""
        if self.kept:
            self.kept[-1].frames += frames

    def _open(self) -> Output:
        path = self._where
        if self.is_ring:
            plain = Path(path)
            path = str(plain.with_name(f"{plain.stem}-{self._number:05}{plain.suffix}"))
        output = Output.to(path)
        if output.is_file and output.name == path:
            self.kept.append(KeptFile(Path(path)))
        return output


def _position(descriptor: int) -> int:
    """The offset of the next byte."""
    if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_APPEND:
        return os.fstat(descriptor).st_size
    return os.lseek(descriptor, 0, os.SEEK_CUR)


def _is_standard_output(where: str) -> bool:
    """/dev/stdout and similar, which must not be reopened and so truncated."""
    with contextlib.suppress(OSError):
        return os.path.samestat(Path(where).stat(), os.fstat(1))
    return False


def _may_be_file(path: Path) -> bool:
    return path.is_file() or not path.exists()
