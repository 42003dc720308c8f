"""HistoryRead of raw values: what OPC 10000-11, 4.4 and 6.5.3 say of times, order and bounds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from asyncua import ua

from edge_lab.devices.history import Period, StepHistory

BEGAN = datetime(2025, 1, 1, tzinfo=UTC)
NODE, OTHER = ua.NodeId("force", 2), ua.NodeId("none", 2)
NO_BOUND = -1


def at(number: float) -> datetime:
    return BEGAN + timedelta(seconds=number)


@pytest.fixture
def history() -> StepHistory:
    """Of six steps, the last five: 0, 20, 30, 50 and 60."""
    history = StepHistory(5)
    for number in (-10, 0, 20, 30, 50, 60):
        value = ua.DataValue(ua.Variant(number), SourceTimestamp=at(number))
        history.keep(at(number), {NODE: value})
    return history


def read(history: StepHistory, start: int | None, end: int | None, *, bounds: bool) -> list[int]:
    first = None if start is None else at(start)
    last = None if end is None else at(end)
    values = history.raw(NODE, Period(first, last, bounds))
    return [NO_BOUND if v.StatusCode.is_bad() else v.Value.Value for v in values]


@pytest.mark.parametrize(
    ("start", "end", "values"),
    [
        (0, 50, [0, 20, 30]),
        (10, 40, [20, 30]),
        (50, 0, [50, 30, 20]),
        (40, 10, [30, 20]),
        (-5, 50, [0, 20, 30]),
        (10, 70, [20, 30, 50, 60]),
        (0, None, [0, 20, 30, 50, 60]),
        (70, None, []),
        (None, 60, [60, 50, 30, 20, 0]),
        (None, -5, []),
        (-5, -5, []),
        (0, 0, [0]),
        (10, 10, []),
    ],
)
def test_values_are_in_the_order_of_the_times_and_without_the_end(
    history: StepHistory, start: int | None, end: int | None, values: list[int]
) -> None:
    assert read(history, start, end, bounds=False) == values


@pytest.mark.parametrize(
    ("start", "end", "values"),
    [
        (0, 50, [0, 20, 30, 50]),
        (10, 40, [0, 20, 30, 50]),
        (50, 0, [50, 30, 20, 0]),
        (40, 10, [50, 30, 20, 0]),
        (-5, 50, [NO_BOUND, 0, 20, 30, 50]),
        (10, 70, [0, 20, 30, 50, 60, NO_BOUND]),
        (0, None, [0, 20, 30, 50, 60, NO_BOUND]),
        (70, None, [60, NO_BOUND]),
        (None, 60, [60, 50, 30, 20, 0, NO_BOUND]),
        (None, -5, [0, NO_BOUND]),
        (-5, -5, [NO_BOUND, 0]),
        (0, 0, [0, 20]),
        (10, 10, [0, 20]),
    ],
)
def test_bounds_are_the_nearest_values_outside(
    history: StepHistory, start: int | None, end: int | None, values: list[int]
) -> None:
    assert read(history, start, end, bounds=True) == values


def test_where_there_is_no_bound_its_time_is_that_of_the_period(history: StepHistory) -> None:
    first, *_, last = history.raw(NODE, Period(at(-5), at(70), bounds=True))
    assert (first.SourceTimestamp, last.SourceTimestamp) == (at(-5), at(70))
    assert first.StatusCode.name == last.StatusCode.name == "BadBoundNotFound"
    assert first.Value.Value is None
    *_, last = history.raw(NODE, Period(at(0), None, bounds=True))
    assert last.SourceTimestamp == at(61)
    *_, last = history.raw(NODE, Period(None, at(60), bounds=True))
    assert last.SourceTimestamp == at(-1)


def test_a_node_without_history_has_none(history: StepHistory) -> None:
    assert history.raw(OTHER, Period(at(0), at(60))) == ()
    assert StepHistory(5).raw(NODE, Period(at(0), at(60))) == ()
