"""Stretches of time, and values that hold until the next one."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from edge_lab.oracles.spans import Held, Span, held, united, value_before

spans = st.tuples(st.integers(0, 30), st.integers(0, 30)).map(lambda ends: Span(*sorted(ends)))


def moments(*found: Span) -> set[int]:
    return {moment for span in found for moment in range(span.start, span.end)}


def test_a_value_holds_until_the_next_one_and_the_last_word_of_a_moment_counts() -> None:
    holds = held([(5, "b"), (1, "a"), (3, "a"), (5, "c"), (40, "late")], until=9)
    assert holds == (Held(Span(1, 5), "a"), Held(Span(5, 9), "c"))
    assert [value_before(holds, time) for time in (1, 2, 5, 6, 50)] == [None, "a", "a", "c", "c"]
    assert held([], until=9) == ()
    assert held([(9, "end")], until=9) == (Held(Span(9, 9), "end"),)


def test_apart_overlapping_and_touching_spans_are_united() -> None:
    found = united([Span(7, 9), Span(0, 2), Span(8, 20), Span(9, 10), Span(2, 3), Span(30, 31)])
    assert found == (Span(0, 3), Span(7, 20), Span(30, 31))


@given(st.lists(spans))
def test_united_spans_hold_the_same_moments_in_order(found: list[Span]) -> None:
    made = united(found)
    assert moments(*made) == moments(*found)
    assert all(earlier.end < other.start for earlier, other in pairwise(made))


@given(spans, spans)
def test_a_part_lies_within_both(one: Span, other: Span) -> None:
    part = one.within(other)
    assert (moments(part) if part else set()) == moments(one) & moments(other)
    if part:
        assert one.touches(other)
    if one.end < other.start or other.end < one.start:
        assert not one.touches(other)
    assert one.touches(other) == other.touches(one)


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 3))), st.integers(0, 20))
def test_what_is_held_is_the_last_that_was_said(said: list[tuple[int, int]], until: int) -> None:
    holds = held(said, until)
    assert all(a.value != b.value for a, b in pairwise(holds))
    for hold in holds:
        for moment in moments(hold.span):
            before = [(time, index) for index, (time, _) in enumerate(said) if time <= moment]
            assert said[max(before)[1]][1] == hold.value
