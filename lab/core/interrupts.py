"""How a process of the lab is asked to end: Ctrl-C, SIGTERM, or its terminal that is closed."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType


def endings() -> tuple[signal.Signals, ...]:
    """The signals that ask for it; without SIGHUP where that is to be ignored (nohup)."""
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        return signal.SIGINT, signal.SIGTERM
    return signal.SIGINT, signal.SIGTERM, signal.SIGHUP


def end_as_by_interrupt() -> None:
    """Lets SIGTERM and SIGHUP raise KeyboardInterrupt, so that all is undone, but only once.

    A terminal that is closed sends SIGHUP more than once, by its kernel and by its shell: the
    next one must not break into what undoes the work. Ctrl-C still does.
    """
    told = False

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal told
        if not told:
            told = True
            raise KeyboardInterrupt(signal.Signals(number).name)

    for ending in endings():
        if ending is not signal.SIGINT:
            signal.signal(ending, interrupt)


@contextlib.contextmanager
def interrupts_noted(then: Callable[[], object]) -> Iterator[threading.Event]:
    """While the block runs, what asks the process to end is noted, and `then` is called.

    Nothing is broken off. In the main thread only; elsewhere nothing is noted.
    """
    noted = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield noted
        return

    def note(number: int, frame: FrameType | None) -> None:
        noted.set()
        then()

    before = {number: signal.signal(number, note) for number in endings()}
    try:
        yield noted
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
