"""Deadlines, and what is waited for until then."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import DeadlineExceeded, LabError
from edge_lab.core.speed import patience


def test_a_wait_returns_the_first_true_thing() -> None:
    answers = iter([None, "", 0, "found"])
    assert Deadline.after(60).wait_for("it", lambda: next(answers), every=0) == "found"


def test_a_wait_in_vain_says_what_and_how_long() -> None:
    with pytest.raises(DeadlineExceeded, match=r"the pod: not seen within 0 s"):
        Deadline.after(0.01).wait_for("the pod", lambda: None, every=0.001)


def test_a_wait_in_vain_chains_the_last_transient_trouble() -> None:
    numbers = iter(range(10_000))

    def probe() -> None:
        raise ConnectionError(f"refused {next(numbers)}")

    with pytest.raises(DeadlineExceeded, match="last: refused") as caught:
        Deadline.after(0.02).wait_for("it", probe, every=0.001, transient=(ConnectionError,))
    assert isinstance(caught.value.__cause__, ConnectionError)


def test_trouble_that_is_not_transient_ends_a_wait_at_once() -> None:
    def probe() -> None:
        raise ValueError("no use")

    with pytest.raises(ValueError, match="no use"):
        Deadline.after(60).wait_for("it", probe)


def test_a_watch_that_raises_ends_a_wait_before_the_next_try() -> None:
    tries: list[int] = []

    def watch() -> None:
        if len(tries) == 2:
            raise LabError("kernel panic")

    with pytest.raises(LabError, match="kernel panic"):
        Deadline.after(60).wait_for("it", lambda: tries.append(1), every=0, watch=watch)
    assert len(tries) == 2


def test_an_expired_deadline_still_gives_one_try() -> None:
    assert Deadline.after(0).wait_for("it", lambda: "there") == "there"


@given(outer=st.floats(0, 1000), inner=st.floats(0, 1000))
def test_a_part_of_a_deadline_never_ends_after_the_whole(outer: float, inner: float) -> None:
    whole = Deadline.after(outer)
    part = whole.within(inner)
    left = whole.remaining
    assert part.remaining <= left  # which is looked at later
    assert part.remaining <= inner * patience()


def test_remaining_time_is_never_negative() -> None:
    gone = Deadline.after(-5)
    assert gone.remaining == 0
    assert gone.expired
    with pytest.raises(DeadlineExceeded, match="boot: not done"):
        gone.check("boot")


def test_a_wait_does_not_outlast_its_deadline() -> None:
    begun = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        Deadline.after(0.05).wait_for("it", lambda: None, every=600)
    assert time.monotonic() - begun < 60
