"""One capture of a link, written by a thread of the process that requested it."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from dataclasses import dataclass
from pathlib import Path

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.fabric.client import ANSWER_TIME, FabricClient
from edge_lab.fabric.output import Files, Limits
from edge_lab.fabric.recorder import Ended, Over, Recorder

READ_BYTES = 1 << 20

GRACE_SECONDS = 2.0
"""Seconds for the reader of a pipe to take the rest, after a capture has been stopped."""


@dataclass(frozen=True)
class Captured:
    """The result of a capture."""

    frames: int
    """Complete frames in the files that are kept, or written to the pipe."""
    dropped: int
    """Frames that were dropped because they could not be written as fast as they came."""
    ended: Ended
    to: str
    """The file, or the last of a ring."""
    files: tuple[Path, ...] = ()
    """The files that are kept, oldest first; none for a pipe."""
    trouble: str = ""

    def check(self) -> None:
        """Raises LabError if the capture did not end normally."""
        if self.ended is Ended.FAILED:
            raise LabError(
                f"the capture stopped: {self.to}: {self.trouble}; {self.frames} complete frames "
                "are written",
                remedy="Free disk space, or limit the capture: --max-size 10M --files 5.",
            )
        if self.ended is Ended.FABRIC_GONE:
            raise LabError(
                f"the capture stopped because the fabric ended; {self.frames} frames were "
                "written to "
                f"{self.to}",
                remedy="Run `lab status` to see whether the lab is running.",
            )


class Capture:
    """A running capture; a context manager that stops it.

    Each frame is written as it arrives. The capture ends with this process, however that ends.
    """

    def __init__(self, fabric: FabricClient, link: str, files: Files) -> None:
        """Starts the capture; closes the files at its end, or if it cannot be started.

        Raises:
            InputError: there is no such link.
            LabError: the fabric does not answer.
        """
        self.link = link
        self._files = files
        with contextlib.ExitStack() as undo:
            undo.callback(lambda: files.output.close())
            to = files.output.name
            self._peer = fabric.capture(link, str(Path(to).absolute()) if files.kept else to)
            undo.callback(self._peer.close)
            self._wake, self._waker = socket.socketpair()
            undo.callback(self._wake.close)
            self._undo = undo.pop_all()
        self._recorder = Recorder(self._files, self._wake.fileno())
        self._ended = Ended.FABRIC_GONE
        self._trouble = ""
        self._thread = threading.Thread(target=self._run, name=f"capture of {link}", daemon=True)
        self._thread.start()

    @classmethod
    def to(
        cls, fabric: FabricClient, link: str, where: str | Path, limits: Limits | None = None
    ) -> Capture:
        """Opens `where`, then starts the capture; `-` is standard output.

        Raises:
            InputError: there is no such link, or the output cannot be opened.
            LabError: the fabric does not answer.
        """
        fabric.link(link)  # before a file is emptied for a link that does not exist
        return cls(fabric, link, Files(str(where), limits or Limits()))

    def __enter__(self) -> Capture:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    @property
    def frames(self) -> int:
        """Number of frames written so far."""
        return self._recorder.frames

    def wait(self, seconds: float | None) -> bool:
        """Waits until it ends by itself; False if it is still running after so many seconds."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def finish(self) -> None:
        """Requests its end, without waiting."""
        with contextlib.suppress(OSError):
            self._peer.shutdown(socket.SHUT_WR)

    def end(self) -> Captured:
        """Stops it if it is still running, and returns when the last frame is written."""
        self.finish()
        self._thread.join(Deadline.scaled(GRACE_SECONDS).remaining)
        self._waker.close()
        self._thread.join()
        counted = self._recorder.statistics
        dropped = counted.dropped if counted else 0
        if counted and self._ended in (Ended.ASKED, Ended.STALLED):
            dropped = counted.received - self.frames  # also those that no reader took
        return Captured(
            frames=self.frames - self._files.removed_frames,
            dropped=dropped,
            ended=self._ended,
            to=self._files.output.name,
            files=tuple(file.path for file in self._files.kept),
            trouble=self._trouble,
        )

    # -- in its thread ---------------------------------------------------------------------

    def _run(self) -> None:
        with self._undo:
            try:
                self._ended = self._record()
            except Over as over:
                self._ended, self._trouble = over.ended, over.trouble
            except LabError as trouble:  # no next file of a ring
                self._ended, self._trouble = Ended.FAILED, trouble.message
            if self._ended is not Ended.ASKED:
                self.finish()
                self._skim()

    def _record(self) -> Ended:
        poll = select.poll()
        poll.register(self._peer, select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        reader = self._files.output.watch(poll)
        while True:
            events = dict(poll.poll())
            if events.get(reader, 0) & (select.POLLERR | select.POLLHUP):
                return Ended.READER_GONE
            if self._peer.fileno() not in events:  # it was to end, and no end has come yet
                poll.unregister(self._wake)
                if not poll.poll(Deadline.scaled(ANSWER_TIME).remaining * 1000):
                    return Ended.FABRIC_GONE
                continue
            data = self._received()
            if not data:
                return Ended.ASKED if self._recorder.statistics else Ended.FABRIC_GONE
            self._recorder.take(data)

    def _skim(self) -> None:
        """The number of dropped frames, for the result although nothing more is written."""
        self._peer.settimeout(Deadline.scaled(ANSWER_TIME).remaining)
        while data := self._received():
            self._recorder.skim(data)

    def _received(self) -> bytes:
        try:
            return self._peer.recv(READ_BYTES)
        except (ConnectionError, TimeoutError):
            return b""
