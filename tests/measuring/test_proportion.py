"""Wilson's interval against values of others, and its limits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from edge_lab.measuring.proportion import wilson


@given(st.integers(1, 500).flatmap(lambda tries: st.tuples(st.integers(0, tries), st.just(tries))))
def test_it_is_what_scipy_has(case: tuple[int, int]) -> None:
    count, tries = case
    theirs = binomtest(count, tries).proportion_ci(0.95, method="wilson")
    assert wilson(count, tries) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


def test_nothing_is_known_without_a_try_and_little_after_one() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    low, high = wilson(0, 1)
    assert (low, round(high, 2)) == (0.0, 0.79)


@pytest.mark.parametrize("case", [(-1, 2), (3, 2)])
def test_what_is_no_proportion_is_refused(case: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="of"):
        wilson(*case)
