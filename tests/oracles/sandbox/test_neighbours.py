"""What a sampler lost beside a hostile pod, by counters of one window."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_lab.core.errors import LabError
from edge_lab.oracles.sandbox.neighbours import Load, Look, Window, lost_percent, parse_load

BEFORE = Look(step=100, sampled=90, read_errors=1, load=Load(50.0, 1_000_000, 10.0, 500))
AFTER = Look(step=140, sampled=130, read_errors=1, load=Load(90.0, 5_000_000, 20.0, 900))
ALONE = Window(BEFORE, AFTER)


def test_a_window_is_told_in_shares() -> None:
    assert (ALONE.steps, ALONE.seconds, ALONE.sampled_percent) == (40, 40.0, 100.0)
    assert (ALONE.cpus, ALONE.frames_per_s, ALONE.read_errors) == (0.1, 10.0, 0)


@pytest.mark.parametrize(("sampled", "lost"), [(130, 0.0), (110, 50.0), (90, 100.0)])
def test_what_is_lost_is_of_what_is_taken_without_noise(sampled: int, lost: float) -> None:
    beside = Window(BEFORE, replace(AFTER, sampled=sampled))
    assert lost_percent(ALONE, beside) == pytest.approx(lost)


def test_a_sampler_that_takes_nothing_loses_nothing_that_could_be_told() -> None:
    nothing = Window(BEFORE, replace(AFTER, sampled=BEFORE.sampled))
    with pytest.raises(LabError):
        lost_percent(nothing, ALONE)


@pytest.mark.parametrize("after", [replace(AFTER, step=105), replace(AFTER, load=BEFORE.load)])
def test_a_window_of_few_steps_or_no_time_is_none(after: Look) -> None:
    with pytest.raises(LabError):
        Window(BEFORE, after)


def test_a_load_is_read_in_its_order() -> None:
    assert parse_load("50.5\n1000000\n2097152\n7\n") == Load(50.5, 1_000_000, 2.0, 7)


@given(st.text(alphabet="0123456789. \nx"))
def test_what_is_no_load_is_an_error_of_the_lab(text: str) -> None:
    try:
        load = parse_load(text)
    except LabError:
        return
    assert len(text.split()) == 4
    assert load.uptime >= 0
