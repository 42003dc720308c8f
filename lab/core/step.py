"""Steps: what the lab is doing, reported to listeners (terminal, log, Allure).

Code that does the work says `with step("boot edge-arm"):` and does not know how it is shown.
Reporters subscribe with `listening`.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import count


class Phase(StrEnum):
    START = "start"
    PROGRESS = "progress"
    END = "end"
    FAIL = "fail"
    WARNING = "warning"
    """A message: nothing has begun, and nothing ends."""


@dataclass(frozen=True)
class StepEvent:
    """An event of a step. `seconds` is the time since the step began."""

    id: int
    parent: int | None
    title: str
    phase: Phase
    seconds: float
    detail: str = ""
    done: float | None = None
    """Fraction done, 0 to 1, if known."""


Listener = Callable[[StepEvent], None]

_listeners: list[Listener] = []
_ids = count(1)
_current = threading.local()


@contextlib.contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Sends each event of every step to `listener` while the block runs."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def _emit(event: StepEvent) -> None:
    for listener in list(_listeners):
        listener(event)


@dataclass
class Step:
    """A running step; `progress` reports how far it is."""

    title: str
    parent: int | None = None
    id: int = field(default_factory=lambda: next(_ids))
    started: float = field(default_factory=time.monotonic)

    def _event(self, phase: Phase, detail: str = "", done: float | None = None) -> StepEvent:
        return StepEvent(
            self.id, self.parent, self.title, phase, time.monotonic() - self.started, detail, done
        )

    def progress(self, detail: str, done: float | None = None) -> None:
        _emit(self._event(Phase.PROGRESS, detail, done))


@contextlib.contextmanager
def step(title: str, *, parent: Step | None = None) -> Iterator[Step]:
    """Marks the block as one step. In another thread, pass `parent`."""
    outer: Step | None = parent or getattr(_current, "step", None)
    this = Step(title, outer.id if outer else None)
    before = getattr(_current, "step", None)
    _current.step = this
    _emit(this._event(Phase.START))
    try:
        yield this
    except BaseException as trouble:
        _emit(this._event(Phase.FAIL, str(trouble).partition("\n")[0]))
        raise
    else:
        _emit(this._event(Phase.END))
    finally:
        _current.step = before


def warn(text: str) -> None:
    """Reports to listeners something that failed without ending the work.

    It is an event by itself, below the step of this thread.
    """
    outer: Step | None = getattr(_current, "step", None)
    message = Step(f"warning: {text}", outer.id if outer else None)
    _emit(message._event(Phase.WARNING))
