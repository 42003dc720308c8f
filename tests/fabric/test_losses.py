"""Loss in bursts: how much, how long, and always the same for the same seed."""

from __future__ import annotations

from itertools import groupby

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_lab.fabric import DirectionState, GilbertElliott, Reason
from tests.budget import examples

from .wires import Bench, number_of, numbered


def lost(model: GilbertElliott, seed: int, frames: int) -> list[bool]:
    """Of each frame, whether it was lost."""
    bench = Bench(seed=seed)
    bench.forwarder.set("l0", DirectionState(burst_loss=model), None)
    bench.send(0, *[numbered(0, 1, n) for n in range(frames)])
    came = {number_of(each) for each in bench.arrived(1)}
    assert bench.counters_add_up()
    assert bench.tx(0).dropped.get(Reason.LOSS, 0) == frames - len(came)
    return [n not in came for n in range(frames)]


def as_many_as_meant(fate: list[bool], model: GilbertElliott) -> bool:
    """Within six standard deviations of what a Markov chain of two states loses."""
    frames, loss = len(fate), model.loss
    often_bad = model.p / (model.p + model.r)
    memory = 1 - model.p - model.r
    states = often_bad * (1 - often_bad) * (1 + memory) / (1 - memory)
    variance = states * (model.bad - model.good) ** 2 + (
        often_bad * model.bad * (1 - model.bad) + (1 - often_bad) * model.good * (1 - model.good)
    )
    stray: float = abs(sum(fate) - frames * loss) - 6 * (frames * variance) ** 0.5
    return stray <= 1


def bursts_as_long_as_meant(fate: list[bool], model: GilbertElliott) -> bool:
    """Whether bursts of a line that loses all while it is bad are 1/r long in the mean."""
    lengths = [len(list(group)) for is_lost, group in groupby(fate) if is_lost]
    mean = sum(lengths) / len(lengths)
    deviation = (1 - model.r) ** 0.5 / model.r
    stray: float = abs(mean - 1 / model.r) - 6 * deviation / len(lengths) ** 0.5
    return stray <= 0


models = st.builds(
    GilbertElliott,
    p=st.sampled_from([0.05, 0.1, 0.4]),
    r=st.sampled_from([0.1, 0.3, 0.5]),
    bad=st.sampled_from([1.0, 0.6]),
    good=st.sampled_from([0.0, 0.05]),
)


@settings(max_examples=examples(20))
@given(seed=st.integers(0, 2**64), model=models)
def test_a_bursty_line_loses_as_much_as_its_model_says(seed: int, model: GilbertElliott) -> None:
    assert as_many_as_meant(lost(model, seed, 6_000), model)


@settings(max_examples=examples(20))
@given(seed=st.integers(0, 2**64), p=st.sampled_from([0.1, 0.3]), r=st.sampled_from([0.1, 0.5]))
def test_its_bursts_are_as_long_as_its_model_says(seed: int, p: float, r: float) -> None:
    model = GilbertElliott(p=p, r=r)
    assert bursts_as_long_as_meant(lost(model, seed, 6_000), model)


def test_those_checks_would_see_another_model() -> None:
    fate = lost(GilbertElliott(p=0.1, r=0.1), 1, 4_000)
    assert not as_many_as_meant(fate, GilbertElliott(p=0.1, r=0.3))
    assert not bursts_as_long_as_meant(fate, GilbertElliott(p=0.1, r=0.2))
    independent = Bench(seed=1)
    independent.forwarder.set("l0", DirectionState(loss=0.5), None)
    independent.send(0, *[numbered(0, 1, n) for n in range(4_000)])
    came = {number_of(each) for each in independent.arrived(1)}
    fate = [n not in came for n in range(4_000)]
    assert as_many_as_meant(fate, GilbertElliott(p=0.1, r=0.1))
    assert not bursts_as_long_as_meant(fate, GilbertElliott(p=0.1, r=0.1))


def test_a_line_that_changes_at_each_frame_loses_every_other_one() -> None:
    assert lost(GilbertElliott(p=1, r=1), 1, 7) == [False, True] * 3 + [False]


@pytest.mark.parametrize("p", [1e-300, 5e-324])
def test_a_line_that_hardly_ever_turns_bad_loses_nothing(p: float) -> None:
    assert not any(lost(GilbertElliott(p=p, r=0.5), 1, 1_000))
