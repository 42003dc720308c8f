"""Percentiles by the nearest rank."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_lab.measuring.percentile import percentile


@pytest.mark.parametrize(
    ("percent", "value"), [(0, 15), (5, 15), (30, 20), (40, 20), (50, 35), (100, 50)]
)
def test_it_is_the_nearest_rank(percent: float, value: float) -> None:
    assert percentile([15, 20, 35, 40, 50], percent) == value


def test_the_99th_of_a_hundred_is_not_the_greatest() -> None:
    assert percentile(range(1, 101), 99) == 99


def test_there_is_none_of_no_values() -> None:
    assert math.isnan(percentile([], 50))


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.01, 100))
def test_it_is_one_of_the_values_and_enough_are_no_greater(
    values: list[float], percent: float
) -> None:
    ordered = sorted(values)
    found = percentile(ordered, percent)
    assert found in ordered
    assert sum(value <= found for value in ordered) >= percent * len(ordered) / 100 - 1e-9
    fewer = sum(value < found for value in ordered)
    assert fewer < percent * len(ordered) / 100 + 1e-9
