"""Records steps with their times."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace
from enum import StrEnum

from edge_lab.core.step import Phase, StepEvent


class Outcome(StrEnum):
    ENDED = "ended"
    FAILED = "failed"
    UNFINISHED = "unfinished"
    """It was still running when the record was read."""


@dataclass(frozen=True)
class RecordedStep:
    """One step. Times are in ns of the monotonic clock."""

    id: int
    parent: int | None
    title: str
    thread: int
    """The thread of the step; its number may be reused after the thread has ended."""
    begin: int
    end: int
    outcome: Outcome
    detail: str = ""
    """For a failed step: the first line of the error."""


class StepRecorder:
    """A listener (`edge_lab.core.step.listening`); takes a few microseconds per event."""

    def __init__(self) -> None:
        self._steps: dict[int, RecordedStep] = {}
        self._lock = threading.Lock()

    def take(self, event: StepEvent) -> None:
        if event.phase is Phase.PROGRESS:
            return
        # Listeners are called in the thread of the step.
        with self._lock:
            now = time.monotonic_ns()
            if event.phase in (Phase.START, Phase.WARNING):
                self._steps[event.id] = RecordedStep(
                    event.id,
                    event.parent,
                    event.title,
                    threading.get_ident(),
                    now,
                    now,
                    Outcome.UNFINISHED if event.phase is Phase.START else Outcome.ENDED,
                )
            elif event.id in self._steps:  # otherwise it began before the recording
                self._steps[event.id] = replace(
                    self._steps[event.id],
                    end=now,
                    outcome=Outcome.FAILED if event.phase is Phase.FAIL else Outcome.ENDED,
                    detail=event.detail,
                )

    def steps(self, trouble: BaseException | None = None) -> tuple[RecordedStep, ...]:
        """All steps so far, by their start; running steps end now.

        With `trouble`, the running steps of this thread fail with that error.
        """
        with self._lock:
            now = time.monotonic_ns()
            found = tuple(self._steps.values())
        return tuple(
            _until(step, now, trouble) if step.outcome is Outcome.UNFINISHED else step
            for step in found
        )


def _until(step: RecordedStep, now: int, trouble: BaseException | None) -> RecordedStep:
    if trouble is None or step.thread != threading.get_ident():
        return replace(step, end=now)
    detail = str(trouble).partition("\n")[0] or type(trouble).__name__
    return replace(step, end=now, outcome=Outcome.FAILED, detail=detail)
