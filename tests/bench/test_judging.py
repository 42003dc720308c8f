"""Ratios of interleaved values: which differences are significant, and which are not."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_lab.bench.ab.judging import Block, Judged, Outcome, judge
from edge_lab.core.errors import LabError
from edge_lab.measuring.measures import Better
from tests.budget import examples

LOWER, HIGHER = Better.LOWER, Better.HIGHER


def blocks(factor: float, count: int, noise: random.Random, drift: float = 0.0) -> list[Block]:
    """Of a side B that takes `factor` times as long, on a machine with spikes that slows down."""

    def value(mean: float, turn: int) -> float:
        spike = noise.expovariate(5) if noise.random() < 0.1 else 0.0
        return mean * math.exp(noise.gauss(0, 0.05) + spike + drift * turn)

    found = []
    for number in range(count):
        sides: dict[str, list[float]] = {"A": [], "B": []}
        for turn, side in enumerate("ABBA" if number % 2 == 0 else "BAAB"):
            mean = 100.0 * (factor if side == "B" else 1.0)
            sides[side].append(value(mean, 4 * number + turn))
        found.append(Block(tuple(sides["A"]), tuple(sides["B"])))
    return found


def test_equal_sides_seldom_differ() -> None:
    noise = random.Random(1)
    apart = [judge(blocks(1.0, 6, noise), LOWER).outcome for _ in range(300)]
    assert apart.count(Outcome.NO_DIFFERENCE) >= 300 * 0.93


def test_equal_sides_seldom_differ_in_any_of_several_figures() -> None:
    noise = random.Random(2)
    runs = [
        all(
            judge(blocks(1.0, 6, noise), LOWER, figures=8).outcome is Outcome.NO_DIFFERENCE
            for _ in range(8)
        )
        for _ in range(60)
    ]
    assert runs.count(True) >= 60 * 0.9


def test_a_side_that_takes_half_as_long_again_is_slower_and_over_a_gate() -> None:
    noise = random.Random(3)
    found = [judge(blocks(1.5, 6, noise), LOWER, figures=5) for _ in range(50)]
    assert [each.outcome for each in found].count(Outcome.SLOWER) >= 47
    # A gate is no place to be strict: what is near it passes.
    assert [each.exceeds(1.25) for each in found].count(True) >= 25
    assert not any(judge(blocks(1.1, 6, noise), LOWER, 5).exceeds(1.25) for _ in range(50))


def test_a_machine_that_slows_down_makes_no_side_slower() -> None:
    noise = random.Random(4)
    found = [judge(blocks(1.0, 6, noise, drift=0.1), LOWER).outcome for _ in range(100)]
    assert found.count(Outcome.NO_DIFFERENCE) >= 90


def test_the_verdict_goes_by_what_is_better() -> None:
    noise = random.Random(5)
    more = blocks(2.0, 6, noise)
    slower, faster = judge(more, LOWER), judge(more, HIGHER)
    assert (slower.outcome, faster.outcome) == (Outcome.SLOWER, Outcome.FASTER)
    assert slower.ratio == pytest.approx(1 / faster.ratio)
    assert (slower.a, slower.b) == (faster.a, faster.b)


@pytest.mark.parametrize(
    "taken",
    [
        [],
        [Block((1.0,), (1.0,))],
        [Block((1.0,), (1.0,)), Block((1.0,), ())],
        [Block((1.0,), (1.0,)), Block((0.0,), (1.0,))],
    ],
)
def test_what_is_no_evidence_is_an_error(taken: list[Block]) -> None:
    with pytest.raises(LabError):
        judge(taken, LOWER)


positive = st.floats(1e-3, 1e6)


@settings(max_examples=examples(60))
@given(
    st.lists(
        st.builds(Block, st.tuples(positive, positive), st.tuples(positive, positive)),
        min_size=2,
        max_size=8,
    )
)
def test_exchanging_the_sides_turns_the_verdict_round(taken: list[Block]) -> None:
    def swapped(judged: Judged) -> tuple[float, float, float]:
        return (1 / judged.ratio, 1 / judged.high, 1 / judged.low)

    forwards = judge(taken, LOWER)
    backwards = judge([Block(block.b, block.a) for block in taken], LOWER)
    assert (backwards.ratio, backwards.low, backwards.high) == pytest.approx(
        swapped(forwards), rel=1e-6
    )
    assert forwards.low <= forwards.ratio <= forwards.high
