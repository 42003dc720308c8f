"""Finds a lab: running, starting, or absent, with the reason."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Protocol

from edge_lab.core.errors import LabError
from edge_lab.core.home import RunDir
from edge_lab.handle.stage import stage_of
from edge_lab.handle.state import Condition, read_state
from edge_lab.live.source import LabSource, Source


@dataclass(frozen=True)
class Found:
    """A lab that was found."""

    which: Hashable
    """Changes when the lab is another one, or has started."""
    starting: LabError | None = None
    """The message for a lab that is still starting: some parts may answer already."""


class Place(Protocol):
    """Finds the lab."""

    def look(self) -> Found:
        """LabError, with the reason, if there is no lab."""
        ...

    def open(self) -> Source:
        """The lab; LabError if it cannot be reached."""
        ...


class RunningLab:
    """The lab of that name on this host."""

    def __init__(self, name: str) -> None:
        self._run = RunDir(name)

    def look(self) -> Found:
        from edge_lab.bringup.attach import require_up

        starting = None
        try:
            require_up(self._run)
        except LabError as trouble:
            if not self._is_starting():
                raise
            starting = trouble
        try:
            file = self._run.state.stat()
        except OSError as trouble:
            raise LabError(f"lab {self._run.lab!r} is not running") from trouble
        return Found((file.st_ino, file.st_mtime_ns), starting)

    def open(self) -> Source:
        from edge_lab.bringup.host import LocalHost

        state = read_state(self._run)
        if state is None:
            raise LabError(f"lab {self._run.lab!r} is not running")
        return LabSource(LocalHost().attach(self._run, state))

    def _is_starting(self) -> bool:
        state = read_state(self._run)
        coming = state is not None and state.condition is Condition.COMING_UP
        return coming and stage_of(self._run) is not None
