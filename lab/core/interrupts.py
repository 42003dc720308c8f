"""Requests to end a process of the lab: Ctrl-C, SIGTERM, or a closed terminal (SIGHUP)."""

from __future__ import annotations

import contextlib
import queue
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType


def endings() -> tuple[signal.Signals, ...]:
    """The signals that request it; without SIGHUP if that is ignored (nohup)."""
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        return signal.SIGINT, signal.SIGTERM
    return signal.SIGINT, signal.SIGTERM, signal.SIGHUP


def end_as_by_interrupt() -> None:
    """Lets SIGTERM and SIGHUP raise KeyboardInterrupt once, so that cleanup runs.

    A closed terminal sends SIGHUP more than once, from the kernel and from the shell: the
    second one must not interrupt the cleanup. Ctrl-C still does.
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
    """While the block runs, these signals only set the event and call `then`, in another thread.

    Nothing is interrupted. Works in the main thread only; in others it has no effect.
    """
    noted = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield noted
        return

    # A handler runs between any two instructions of this thread, also of another handler. So it
    # must not wait for a lock that this thread may hold, such as that of an event. `put` of a
    # SimpleQueue is reentrant.
    signals: queue.SimpleQueue[signal.Signals | None] = queue.SimpleQueue()

    def act() -> None:
        while signals.get() is not None:
            noted.set()
            then()

    def note(number: int, frame: FrameType | None) -> None:
        signals.put(signal.Signals(number))

    thread = threading.Thread(target=act, name="interrupts")
    thread.start()
    before = {number: signal.signal(number, note) for number in endings()}
    try:
        yield noted
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        signals.put(None)
        thread.join()
