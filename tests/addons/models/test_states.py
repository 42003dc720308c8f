"""The state machine of a model on a node."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as some

from images.models.edge_models import states
from images.models.edge_models.states import (
    Comparison,
    NotPossible,
    Phase,
    Reason,
    State,
    Version,
    Wanted,
)

ONE, TWO, THREE = (Version(tag, f"sha256:{tag * 64}") for tag in "123")


def wanted(version: Version, generation: int = 1, samples: int = 12) -> Wanted:
    return Wanted(version, "models/boiler", generation, samples, 0.1)


def errors(candidate: float, serving: float) -> Comparison:
    return Comparison("2", "1", candidate, serving, 12)


SERVES_ONE = State(current=ONE, wanted=wanted(ONE), phase=Phase.SERVING)


def test_the_first_version_is_promoted_without_a_comparison() -> None:
    state = states.staged(states.told(State(), wanted(ONE)))
    assert (state.phase, state.current, state.previous) == (Phase.SERVING, ONE, None)


def test_a_better_version_is_promoted_and_the_one_before_is_kept() -> None:
    told = states.told(SERVES_ONE, wanted(TWO, 2))
    assert (told.phase, told.current) == (Phase.FETCHING, ONE)
    staged = states.staged(told)
    assert (staged.phase, staged.current) == (Phase.COMPARING, ONE)
    state = states.compared(staged, errors(1.0, 2.0))
    assert (state.phase, state.current, state.previous) == (Phase.SERVING, TWO, ONE)
    assert state.kept == {ONE.digest, TWO.digest}


@pytest.mark.parametrize(("candidate", "promoted"), [(2.2, True), (2.21, False), (9.0, False)])
def test_a_version_may_be_worse_by_the_tolerance(candidate: float, promoted: bool) -> None:
    staged = states.staged(states.told(SERVES_ONE, wanted(TWO, 2)))
    state = states.compared(staged, errors(candidate, 2.0))
    assert (state.current == TWO) == promoted
    assert state.phase is (Phase.SERVING if promoted else Phase.REFUSED)
    assert state.reason is (Reason.NONE if promoted else Reason.WORSE)


def test_a_comparison_without_numbers_refuses() -> None:
    staged = states.staged(states.told(SERVES_ONE, wanted(TWO, 2)))
    assert states.compared(staged, errors(float("inf"), 2.0)).phase is Phase.REFUSED


def test_without_samples_the_version_follows() -> None:
    told = states.told(SERVES_ONE, wanted(TWO, 2, samples=0))
    assert states.staged(told).current == TWO


def test_the_same_wish_again_changes_nothing_and_a_new_one_tries_again() -> None:
    wish = wanted(TWO, 2)
    refused = states.refused(states.told(SERVES_ONE, wish), Reason.CORRUPT, "a message")
    assert states.told(refused, wish) is refused
    assert refused.current == ONE
    again = states.told(refused, replace(wish, generation=3))
    assert (again.phase, again.reason, again.message) == (Phase.FETCHING, Reason.NONE, "")


def test_a_wish_for_what_serves_is_fulfilled() -> None:
    assert states.told(SERVES_ONE, wanted(ONE, 5)).phase is Phase.SERVING


def test_a_rollback_goes_to_the_version_before_once() -> None:
    state = states.compared(
        states.staged(states.told(SERVES_ONE, wanted(TWO, 2))), errors(1.0, 2.0)
    )
    back = states.rolled_back(state, Reason.ASKED, "")
    assert (back.current, back.previous, back.phase) == (ONE, None, Phase.ROLLED_BACK)
    # The cloud's wish is as before: it is not fulfilled again by itself.
    assert states.told(back, wanted(TWO, 2)) is back
    with pytest.raises(NotPossible):
        states.rolled_back(back, Reason.ASKED, "")


def test_a_promoted_version_that_becomes_worse_is_rolled_back() -> None:
    state = states.compared(
        states.staged(states.told(SERVES_ONE, wanted(TWO, 2))), errors(1.0, 2.0)
    )
    assert states.watched(state, errors(2.0, 2.0)).current == TWO
    back = states.watched(state, errors(3.0, 2.0))
    assert (back.current, back.phase, back.reason) == (ONE, Phase.ROLLED_BACK, Reason.WORSE)
    assert states.watched(back, errors(9.0, 1.0)) is back


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.FETCHING])
def test_only_what_is_fetched_can_be_staged(phase: Phase) -> None:
    with pytest.raises(NotPossible):
        states.staged(replace(SERVES_ONE, phase=phase))


EVENTS = ("tell 1", "tell 2", "tell 3", "stage", "better", "worse", "corrupt", "back", "watch")


@given(some.lists(some.sampled_from(EVENTS), max_size=12))
def test_whatever_happens_what_serves_was_complete_and_is_kept(events: list[str]) -> None:
    state, complete = SERVES_ONE, {ONE}
    for number, event in enumerate(events):
        before = state.current
        try:
            if event.startswith("tell"):
                version = (ONE, TWO, THREE)[int(event[-1]) - 1]
                state = states.told(state, wanted(version, number))
            elif event == "stage":
                fetched = state.wanted.version if state.wanted else ONE
                state = states.staged(state)
                complete.add(fetched)
            elif event in ("better", "worse"):
                state = states.compared(state, errors(1.0 if event == "better" else 9.0, 2.0))
            elif event == "corrupt":
                state = states.refused(state, Reason.CORRUPT, "")
            elif event == "back":
                state = states.rolled_back(state, Reason.ASKED, "")
            else:
                state = states.watched(state, errors(9.0, 2.0))
        except NotPossible:
            assert state.current == before
        assert state.current in complete
        assert state.current.digest in state.kept
        assert state.previous is None or state.previous.digest in state.kept
        assert states.from_json(json.loads(json.dumps(states.to_json(state)))) == state
