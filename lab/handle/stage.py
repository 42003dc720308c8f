"""The stage of a lab that is coming up, for other processes.

It is written beside the lock that `lab up` holds, since the run directory does not exist from the
start.  It is valid only while the lock is held, so it is ignored after a crash.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

from edge_lab.core.home import RunDir
from edge_lab.core.process import lock_holder
from edge_lab.core.step import Phase, StepEvent, listening


class _Stage:
    """The running steps, outermost first; each change is written to `file`."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._open: dict[int, str] = {}
        self._lock = threading.Lock()

    def take(self, event: StepEvent) -> None:
        if event.phase is Phase.PROGRESS:
            return
        with self._lock:
            if event.phase is Phase.START:
                self._open[event.id] = event.title
            else:
                self._open.pop(event.id, None)
            self._write()

    def _write(self) -> None:
        draft = self._file.with_suffix(".stage-new")
        with contextlib.suppress(OSError):  # a full disk is reported by the steps themselves
            # The outermost step is the lab itself.
            draft.write_text(", ".join(list(self._open.values())[1:]), encoding="utf-8")
            draft.replace(self._file)


@contextlib.contextmanager
def telling_stage(run: RunDir) -> Iterator[None]:
    """While the block runs, `stage_of` knows its steps. The lab's lock must be held."""
    file = _file(run)
    with contextlib.suppress(OSError):
        file.write_text("")
    try:
        with listening(_Stage(file).take):
            yield
    finally:
        forget_stage(run)


def stage_of(run: RunDir) -> str | None:
    """A description of the running steps; None if the lab is not coming up."""
    try:
        stage = _file(run).read_text(encoding="utf-8")
    except OSError:
        return None
    return None if lock_holder(run.lock) is None else stage


def forget_stage(run: RunDir) -> None:
    """Removes the file that a killed start has left."""
    for suffix in (".stage", ".stage-new"):
        run.lock.with_suffix(suffix).unlink(missing_ok=True)


def _file(run: RunDir) -> Path:
    return run.lock.with_suffix(".stage")
