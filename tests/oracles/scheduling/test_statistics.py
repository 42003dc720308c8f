"""Percentiles, intervals and ratios of small samples."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edge_lab.core.errors import LabError
from edge_lab.measuring.percentile import percentile
from edge_lab.oracles.scheduling.statistics import Interval, ratio, summary
from tests.budget import examples

TIMES = st.lists(st.floats(0.001, 300.0), min_size=1, max_size=30)


@settings(max_examples=examples(30))
@example([250.0, 249.10639241811012])
@example([67.0, 66.87912952357853])
@given(TIMES)
def test_percentiles_are_the_lab_s_own_and_lie_in_their_intervals(times: list[float]) -> None:
    found = summary(times)
    ordered = sorted(times)
    assert (found.p50, found.p90, found.p99, found.most) == tuple(
        percentile(ordered, percent) for percent in (50, 90, 99, 100)
    )
    if len(times) == 1:
        assert found.p50_interval is None
    else:
        assert found.p50_interval is not None
        assert ordered[0] <= found.p50_interval.low <= found.p50 <= found.p50_interval.high


def test_the_same_sample_has_the_same_interval() -> None:
    times = [3.0, 9.0, 4.0, 5.0, 8.0]
    one, other = summary(times), summary(list(reversed(times)))
    assert one == other
    for percent in ("p50_interval", "p90_interval"):
        assert isinstance(getattr(one, percent), Interval)
        assert getattr(one, percent) == getattr(other, percent)


def test_a_verdict_does_without_what_takes_a_second_to_import() -> None:
    look = "import sys, edge_lab.report.startpage; sys.exit('scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", look]).returncode == 0


def test_nothing_measured_is_no_evidence() -> None:
    with pytest.raises(LabError):
        summary([])
    with pytest.raises(LabError):
        ratio([], [])
    with pytest.raises(LabError):
        ratio([1.0, 2.0], [1.0])
    with pytest.raises(LabError):
        ratio([1.0], [0.0])


def test_twice_as_long_is_significant_and_the_host_s_drift_cancels_out() -> None:
    base = [10.0, 12.0, 15.0, 19.0, 24.0]
    other = [20.4, 23.5, 30.3, 37.5, 48.6]
    found = ratio(base, other)
    assert found.significant
    assert found.value == pytest.approx(2.0, rel=0.05)


def test_two_samples_of_one_kind_do_not_differ() -> None:
    found = ratio([10.0, 12.0, 15.0, 19.0, 24.0], [11.0, 11.0, 16.0, 18.5, 23.0])
    assert not found.significant
    assert "not significant" in str(found)
    assert not ratio([1.0], [9.0]).significant


def test_of_a_hundred_like_samples_about_five_differ() -> None:
    """What 0.95 promises, at five pairs: the reason why it is no bootstrap."""
    import numpy as np

    dice = np.random.default_rng(7)
    apart = sum(
        ratio(dice.lognormal(2, 0.3, 5).tolist(), dice.lognormal(2, 0.3, 5).tolist()).significant
        for _ in range(400)
    )
    assert 8 <= apart <= 36
