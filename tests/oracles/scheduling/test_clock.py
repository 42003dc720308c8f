"""Bounds of a node's clock: whatever the way of question and answer, the truth lies in them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_lab.core.errors import LabError
from edge_lab.oracles.scheduling.clock import ClockBounds, ClockLook, bounds_of

AT = 1_795_916_353_000_000_000
OFFSETS = st.integers(-10_000_000_000, 10_000_000_000)
WAYS = st.integers(0, 2_000_000_000)


def look(offset: int, out: int, back: int, asked: int = AT) -> ClockLook:
    return ClockLook(asked, asked + out + offset, asked + out + back)


@given(OFFSETS, st.lists(st.tuples(WAYS, WAYS), min_size=1, max_size=6))
def test_the_true_offset_is_within_the_bounds(offset: int, ways: list[tuple[int, int]]) -> None:
    looks = [look(offset, out, back, AT + number) for number, (out, back) in enumerate(ways)]
    bounds = bounds_of(looks)
    assert bounds.least <= offset <= bounds.most
    assert bounds.error <= min(out + back for out, back in ways) / 2 / 1e9


@given(OFFSETS, OFFSETS, st.tuples(WAYS, WAYS), st.tuples(WAYS, WAYS), st.floats(0, 1))
def test_a_clock_that_drifts_stays_within_the_bounds_of_before_and_after(
    before: int, after: int, out: tuple[int, int], back: tuple[int, int], part: float
) -> None:
    joined = look(before, *out).bounds().joined(look(after, *back).bounds())
    between = before + round((after - before) * part)
    assert joined.least <= between <= joined.most
    shown = AT + between
    assert abs(joined.to_host(shown) - AT) <= joined.error * 1e9 + 1


def test_a_clock_that_was_set_between_two_looks_is_no_evidence() -> None:
    with pytest.raises(LabError, match="set"):
        bounds_of([look(0, 1000, 1000), look(5_000_000, 1000, 1000)])


def test_no_look_and_a_host_that_goes_back_are_no_evidence() -> None:
    with pytest.raises(LabError):
        bounds_of([])
    with pytest.raises(LabError):
        ClockLook(AT, AT, AT - 1).bounds()
    with pytest.raises(LabError):
        ClockBounds(1, 0)
