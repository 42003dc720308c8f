"""The judges of a wrong clock: what passes, each planted defect, and what is no evidence."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge_lab.addons.functions.records import NANOSECONDS
from edge_lab.oracles.scheduling.clock import ClockBounds
from suites.functions.clocks import after_jump, judge_meanwhile, judge_stopped, read_meanwhile
from suites.functions.evidence import Evidence, Jump, Orphan
from suites.functions.judging import judge_events
from tests.addons.functions.test_suite import AHEAD, WAYS, evidence

HOUR = 3600
DOUBT = NANOSECONDS // 2
STOPPED = Orphan(awake=True, stopped_s=6.0, more_events=0)
BOTH_WAYS = pytest.mark.parametrize("seconds", [HOUR, -HOUR], ids=["ahead", "back"])


def bounds(seconds: float) -> ClockBounds:
    """`evidence` has a clock that is `AHEAD`; this one is so many seconds further ahead."""
    middle = AHEAD + round(seconds * NANOSECONDS)
    return ClockBounds(middle - DOUBT, middle + DOUBT)


def jumped(seconds: int) -> Evidence:
    """The first three events crossed before the jump, one of each way; the others after it, and
    they were handled before the correction."""
    whole, moved = evidence(), seconds * NANOSECONDS
    events = tuple(
        event if number < len(WAYS) else replace(event, read=event.read + moved)
        for number, event in enumerate(whole.events)
    )
    return replace(
        whole,
        events=events,
        owed_offline=events,
        handled_offline=whole.handled,
        clock=None,
        jump=Jump(seconds, bounds(0), bounds(seconds), wrong_since=0),
    )


@BOTH_WAYS
@pytest.mark.parametrize("way", WAYS)
def test_events_that_were_handled_with_a_wrong_clock_pass(seconds: int, way: str) -> None:
    found = jumped(seconds)
    assert [event.id for event in read_meanwhile(found)] == ["e3", "e4", "e5"]
    for verdict in (
        judge_meanwhile(found, way),
        after_jump(found, judge_events(found, way, least=2)),
        judge_stopped(found, way, STOPPED),
    ):
        assert verdict.passed, str(verdict)


@BOTH_WAYS
def test_an_event_that_waited_for_the_right_clock_is_red(seconds: int) -> None:
    found = jumped(seconds)
    late = replace(found, handled_offline=found.handled_offline[:-1])
    (problem,) = judge_meanwhile(late, "pod").problems
    assert problem == "1 events waited until the clock was right: e5"
    assert judge_meanwhile(late, "warm").passed


def test_a_function_that_keeps_running_is_red() -> None:
    runs_on = replace(STOPPED, stopped_s=None)
    (problem,) = judge_stopped(jumped(-HOUR), "pod", runs_on).problems
    assert problem == "a function of pod keeps running"


@pytest.mark.parametrize(
    "orphan",
    [replace(STOPPED, awake=False), replace(STOPPED, more_events=1)],
    ids=["did not run", "another event"],
)
def test_a_function_that_another_event_can_have_stopped_is_no_evidence(orphan: Orphan) -> None:
    (problem,) = judge_stopped(jumped(-HOUR), "pod", orphan).problems
    assert problem.startswith("no evidence")


@pytest.mark.parametrize(
    "jump",
    [
        None,
        Jump(HOUR, None, bounds(HOUR), wrong_since=0),
        Jump(HOUR, bounds(0), None, wrong_since=0),
        Jump(HOUR, bounds(0), bounds(0), wrong_since=0),
        Jump(HOUR, bounds(0), bounds(-HOUR), wrong_since=0),
        Jump(HOUR, bounds(0), bounds(HOUR / 2), wrong_since=0),
    ],
    ids=["none", "before unknown", "during unknown", "not set", "wrong way", "half"],
)
def test_a_clock_that_was_not_seen_to_be_wrong_is_no_evidence(jump: Jump | None) -> None:
    found = replace(jumped(HOUR), jump=jump)
    for verdict in (
        judge_meanwhile(found, "pod"),
        after_jump(found, judge_events(found, "pod", least=2)),
        judge_stopped(found, "pod", STOPPED),
    ):
        assert verdict.problems[0].startswith("no evidence"), str(verdict)


def test_an_event_of_an_earlier_attempt_does_not_count() -> None:
    found = jumped(HOUR)
    last = max(step.time for step in found.steps)
    assert found.jump is not None
    again = replace(found, jump=replace(found.jump, wrong_since=last + 1))
    assert read_meanwhile(again) == ()
    assert judge_meanwhile(again, "pod").shows_nothing


def test_events_whose_times_do_not_show_the_jump_are_no_evidence() -> None:
    """The clock was wrong, but no event crossed meanwhile."""
    found = replace(jumped(HOUR), owed_offline=evidence().events)
    (problem,) = judge_meanwhile(found, "pod").problems
    assert problem.startswith("no evidence: 0 of pod")


def test_a_clock_moves_by_the_difference_of_its_offsets() -> None:
    jump = Jump(HOUR, bounds(0), bounds(HOUR), wrong_since=0)
    assert jump.moved_s == pytest.approx(HOUR)
    assert jump.error_s == pytest.approx(1.0)
