"""Signals that end a process of the lab."""

from __future__ import annotations

import signal
import threading

import pytest

from edge_lab.core.interrupts import endings, interrupts_noted

SECONDS = 20.0


@pytest.mark.parametrize("ending", endings())
def test_a_signal_is_noted_and_interrupts_nothing(ending: signal.Signals) -> None:
    before, called = signal.getsignal(ending), threading.Event()
    with interrupts_noted(called.set) as noted:
        assert not noted.is_set()
        signal.raise_signal(ending)
        assert called.wait(SECONDS)
        assert noted.is_set()
    assert signal.getsignal(ending) is before


def test_a_signal_waits_for_no_lock_of_the_thread_that_it_interrupts() -> None:
    lock, called = threading.Lock(), threading.Semaphore(0)

    def then() -> None:
        with lock:
            called.release()

    with interrupts_noted(then):
        with lock:
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGTERM)
        assert called.acquire(timeout=SECONDS)
        assert called.acquire(timeout=SECONDS)


def test_in_another_thread_nothing_is_noted() -> None:
    found: list[bool] = []

    def run() -> None:
        with interrupts_noted(lambda: None) as noted:
            found.append(noted.is_set())

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert found == [False]
    assert signal.getsignal(signal.SIGTERM) is before
