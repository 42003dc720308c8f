"""HistoryRead of raw values: what OPC 10000-11, 6.5.3 says of times, order and number."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from asyncua import ua

from edge_lab.devices.history import StepHistory

BEGAN = datetime(2025, 1, 1, tzinfo=UTC)
NODE, OTHER = ua.NodeId("force", 2), ua.NodeId("none", 2)
NEVER = ua.get_win_epoch()


def at(number: int) -> datetime:
    return BEGAN + timedelta(seconds=number)


@pytest.fixture
def history() -> StepHistory:
    """Of ten steps, the last eight: 3 to 10."""
    history = StepHistory(8)
    for number in range(1, 11):
        history.keep(at(number), {NODE: ua.DataValue(number, SourceTimestamp=at(number))})
    return history


def read(
    history: StepHistory, start: datetime | None, end: datetime | None, most: int = 0
) -> tuple[list[int], datetime | None]:
    values, more = asyncio.run(history.read_node_history(NODE, start, end, most))
    return [value.Value.Value for value in values], more


@pytest.mark.parametrize(
    ("start", "end", "most", "values", "more"),
    [
        (at(4), at(6), 0, [4, 5, 6], None),
        (at(6), at(4), 0, [6, 5, 4], None),
        (at(4), at(6), 2, [4, 5], at(6)),
        (at(6), at(4), 2, [6, 5], at(4)),
        (at(8), None, 2, [8, 9], at(10)),
        (at(8), NEVER, 0, [8, 9, 10], None),
        (None, at(5), 2, [5, 4], None),
        (None, None, 0, [3, 4, 5, 6, 7, 8, 9, 10], None),
        (None, None, 3, [3, 4, 5], at(6)),
        (at(11), at(20), 0, [], None),
        (at(1), at(2), 0, [], None),
    ],
)
def test_values_come_in_the_order_and_number_asked_for(
    history: StepHistory,
    start: datetime | None,
    end: datetime | None,
    most: int,
    values: list[int],
    more: datetime | None,
) -> None:
    assert read(history, start, end, most) == (values, more)


def test_a_read_goes_on_where_it_ended(history: StepHistory) -> None:
    found, start = [], at(3)
    while True:
        values, more = read(history, start, at(10), 3)
        found += values
        if more is None:
            break
        start = more
    assert found == list(range(3, 11))


def test_a_node_without_history_has_none(history: StepHistory) -> None:
    assert asyncio.run(history.read_node_history(OTHER, None, None, 0)) == ([], None)
