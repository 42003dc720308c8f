"""The periods of a cluster, and how a slow host stretches them."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_lab.core import speed
from edge_lab.topology import Timing, Topology

USUAL = Timing()

timings = st.builds(
    Timing,
    node_lease=st.floats(4, 100),
    node_monitor_grace=st.floats(5, 100),
    unreachable_toleration=st.floats(0, 1000),
    edge_heartbeat=st.floats(1, 60),
)


@given(timing=timings, pace=st.integers(1, 20))
def test_a_slow_host_has_longer_periods_but_none_beyond_the_usual(
    timing: Timing, pace: int
) -> None:
    slow = timing.at_pace(pace)
    for name, value in timing:
        usual = getattr(USUAL, name)
        expected = value if value >= usual else min(value * pace, usual)
        assert getattr(slow, name) == expected
    assert timing.at_pace(1) == timing
    assert slow.at_pace(1) == slow


def test_what_differs_from_the_usual_is_told_as_it_is_active(default_topology: Topology) -> None:
    assert default_topology.timing.shortened()["node_lease"] == 20
    slow = default_topology.at_pace(2)
    assert "node_lease" not in slow.timing.shortened()
    assert slow.timing.shortened()["unreachable_toleration"] == 80
    assert slow.model_copy(update={"timing": default_topology.timing}) == default_topology


def test_the_pace_grows_in_steps_that_are_far_apart() -> None:
    for slower, pace in ((0.5, 1), (1.0, 1), (1.5, 1), (1.8, 2), (3.3, 2), (4.5, 4)):
        assert speed.pace_of(slower) == pace


@pytest.fixture
def unmeasured() -> Iterator[None]:
    """The pace is measured once per process: here, and anew by whoever asks next."""
    speed.host_pace.cache_clear()
    yield
    speed.host_pace.cache_clear()


def test_the_pace_is_that_of_the_host_and_not_of_its_load(
    unmeasured: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    monkeypatch.setattr(speed, "demand_of_others", lambda: 50.0)
    monkeypatch.setattr(speed, "_calculation", lambda: speed.REFERENCE_CALCULATION)
    assert speed.host_pace() == 1
    monkeypatch.setattr(speed, "_calculation", lambda: 2 * speed.REFERENCE_CALCULATION)
    assert speed.host_pace() == 1  # once per process
    speed.host_pace.cache_clear()
    assert speed.host_pace() == 2


def test_a_lab_that_was_made_earlier_may_be_slower_than_the_host_and_a_little_faster(
    unmeasured: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    for factor, paces in (
        (1.0, (1, 2, 4)),
        (1.8, (2, 4, 1)),
        (2.5, (2, 4)),
        (4.1, (4, 2)),
        (9.0, (4,)),
    ):
        monkeypatch.setattr(speed, "_calculation", lambda f=factor: f * speed.REFERENCE_CALCULATION)
        speed.host_pace.cache_clear()
        assert speed.fitting_paces() == paces
