"""The queue of an OPC UA monitored item, whatever it is filled with; deadbands on any numbers."""

from __future__ import annotations

import math

from asyncua import ua
from hypothesis import given
from hypothesis import strategies as st

from edge_lab.devices.opcua_filters import DataFilter
from edge_lab.devices.opcua_queue import OVERFLOW, EventQueue, ValueQueue

LOST = "lost"


def value(number: float) -> ua.DataValue:
    return ua.DataValue(ua.Variant(number, ua.VariantType.Double))


@given(st.integers(1, 6), st.booleans(), st.integers(0, 20))
def test_a_queue_keeps_its_size_and_marks_the_gap_and_nothing_else(
    size: int, discard_oldest: bool, count: int
) -> None:
    queue = ValueQueue(size, discard_oldest)
    for number in range(count):
        queue.put(value(float(number)))
    last = count - 1
    if count <= size:
        wanted = list(range(count))
    elif discard_oldest or size == 1:
        wanted = list(range(count - size, count))
    else:
        wanted = [*range(size - 1), last]
    found = queue.take(100)
    assert [each.Value.Value for each in found] == wanted
    marked = [each.Value.Value for each in found if each.StatusCode.value]
    gap = wanted[0 if discard_oldest else -1] if count > size > 1 else None
    assert marked == ([] if gap is None else [gap])
    assert {each.StatusCode.value for each in found} <= {0, OVERFLOW}
    assert len(queue) == 0


@given(st.integers(2, 6), st.booleans(), st.integers(1, 6))
def test_a_smaller_queue_keeps_the_newest_value(
    size: int, discard_oldest: bool, smaller: int
) -> None:
    queue = ValueQueue(size, discard_oldest)
    for number in range(size):
        queue.put(value(float(number)))
    queue.resize(smaller, discard_oldest)
    found = queue.take(100)
    assert len(found) == min(size, smaller)
    assert found[-1].Value.Value == size - 1
    assert any(each.StatusCode.value for each in found) == (1 < smaller < size)


@given(st.integers(1, 6), st.booleans(), st.integers(0, 20), st.integers(1, 9))
def test_events_that_are_lost_are_told_once(
    size: int, discard_oldest: bool, count: int, most: int
) -> None:
    queue = EventQueue(size, discard_oldest, lambda: LOST)
    for number in range(count):
        queue.put(number)
    waiting = len(queue)
    found: list[object] = []
    while taken := queue.take(most):
        assert len(taken) <= most
        found += taken
    assert len(found) == waiting == min(count, size) + (count > size)
    assert found.count(LOST) == (count > size)
    if count > size:
        assert found.index(LOST) == (0 if discard_oldest else size)


@given(
    st.floats(0, 1e6),
    st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=20),
)
def test_what_is_reported_is_a_deadband_away_from_what_was_and_nothing_is_far_from_it(
    deadband: float, numbers: list[float]
) -> None:
    filter_ = DataFilter(deadband=deadband)
    last = None
    for number in numbers:
        new = value(number)
        passes = filter_.passes(last, new)
        if last is not None:
            before = last.Value.Value
            if math.isfinite(before) and math.isfinite(number):
                assert passes == (abs(number - before) > deadband)
            else:
                same = before == number or (math.isnan(before) and math.isnan(number))
                assert passes != same
        if passes:
            last = new
