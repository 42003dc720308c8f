"""What becomes of characters on a serial line, and how long they take."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_lab.devices.serial.faults import CLEAR, Disturbance, LineState
from edge_lab.devices.serial.timing import LineTiming
from edge_lab.topology import Parity, SerialOptions
from tests.budget import examples


def disturbed(state: LineState) -> Disturbance:
    way = Disturbance()
    way.set(state)
    return way


@given(st.binary(max_size=300))
@settings(max_examples=examples(50), deadline=None)
def test_a_clear_line_changes_nothing(data: bytes) -> None:
    way = disturbed(CLEAR)
    assert way.apply(data) == (data, False)
    assert (way.characters, way.affected) == (len(data), 0)


@given(st.binary(max_size=300), st.integers(min_value=0))
@settings(max_examples=examples(50), deadline=None)
def test_each_fault_does_what_it_says(data: bytes, seed: int) -> None:
    noisy, spoiled = disturbed(LineState(noise=1, seed=seed)).apply(data)
    assert not spoiled
    flipped = [(sent ^ received).bit_count() for sent, received in zip(data, noisy, strict=True)]
    assert flipped == [1] * len(data)
    assert disturbed(LineState(loss=1, seed=seed)).apply(data) == (b"", False)
    assert disturbed(LineState(is_broken=True)).apply(data) == (b"", False)
    wrong = disturbed(LineState(wrong_parity=1, seed=seed)).apply(data)
    assert wrong == (bytes(len(data)), bool(data))


def test_chances_are_met_and_counted() -> None:
    way = disturbed(LineState(loss=0.1, seed=5))
    arrived, _ = way.apply(bytes(10_000))
    assert 850 < way.affected == 10_000 - len(arrived) < 1150


def test_a_seed_gives_the_same_again() -> None:
    state = LineState(noise=0.2, loss=0.2, wrong_parity=0.2, seed=9)
    data = bytes(range(256))
    assert disturbed(state).apply(data) == disturbed(state).apply(data)
    other = state.model_copy(update={"seed": 10})
    assert disturbed(other).apply(data) != disturbed(state).apply(data)


@pytest.mark.parametrize(
    ("line", "character_us", "silence_us"),
    [
        (SerialOptions(), 573, 2005),
        (SerialOptions(baud=9600), 1146, 4010),
        (SerialOptions(baud=9600, parity=Parity.NONE), 1042, 3646),
        (SerialOptions(baud=9600, parity=Parity.NONE, stop_bits=2), 1146, 4010),
        (SerialOptions(baud=115_200), 95, 1750),
    ],
)
def test_times_are_those_of_the_specification(
    line: SerialOptions, character_us: int, silence_us: int
) -> None:
    timing = LineTiming.of(line)
    assert round(timing.character * 1e6) == character_us
    assert round(timing.silence * 1e6) == silence_us
