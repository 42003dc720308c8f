"""The judges of suites/functions: what passes, and each planted defect, which turns one red."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from edge_lab.addons.functions.limits import Limit
from edge_lab.addons.functions.records import NANOSECONDS, Activation, Event, Handled
from edge_lab.core.errors import LabError
from edge_lab.oracles.scheduling.clock import ClockBounds
from edge_lab.oracles.verdict import Verdict
from suites.functions.evidence import Evidence, Step, Storm
from suites.functions.judging import (
    judge_asleep,
    judge_copies,
    judge_events,
    judge_offline,
    judge_refused,
    judge_source,
    judge_storm,
    judge_waking,
)
from suites.functions.labside import memory_in, running_in

LIMIT = Limit("temperature", above=705, again_below=695)
START = 1_700_000_000 * NANOSECONDS
CYCLE, OVER, WAYS = 20, 10, ("warm", "process", "pod")
EVENTS = 6
AHEAD = 5 * NANOSECONDS
"""Of the node's clock before the host's."""


def at(seconds: float) -> int:
    """On the node's clock."""
    return START + AHEAD + round(seconds * NANOSECONDS)


def one(number: int) -> tuple[Event, Handled]:
    """An event each 20 s, of the ways by turns; what is not warm begins 3 s after it."""
    seq = number * CYCLE + OVER
    way = WAYS[number % 3]
    began = at(0) if way == "warm" else at(seq + 3)
    first = at(seq + 0.3) if way == "warm" else began + NANOSECONDS
    event = Event(f"e{number}", way, "boiler", "temperature", seq, 710, at(seq + 0.2))
    event = replace(event, stored=at(seq + 0.25))
    done = Handled(f"e{number}", way, seq, 710, first, first + NANOSECONDS // 10, 1, 7, began)
    return event, done


def evidence() -> Evidence:
    events, handled = zip(*map(one, range(EVENTS)), strict=True)
    steps = tuple(
        Step(seq, START + seq * NANOSECONDS, 710 if seq % CYCLE >= OVER else 690)
        for seq in range(EVENTS * CYCLE + 1)
    )
    return Evidence(
        node="edge-arm",
        runtime="kubernetes+kubelet",
        ways=WAYS,
        events=events,
        handled=handled,
        activations=tuple(
            Activation(way, at(10), awake) for way in WAYS[1:] for awake in (True, False)
        ),
        began=START,
        steps=steps,
        clock=ClockBounds(AHEAD - NANOSECONDS // 100, AHEAD + NANOSECONDS // 100),
        asleep_s={"process": 6.0, "pod": 8.0},
        owed_offline=events[:3],
        handled_offline=handled[:3],
        refused=frozenset({"e1"}),
        copies=tuple(event.id for event in events),
    )


Judge = Callable[[Evidence], Verdict]

JUDGES: dict[str, Judge] = {
    "events": lambda it: judge_events(it, "pod", least=2),
    "source": lambda it: judge_source(it, LIMIT, least=2),
    "offline": lambda it: judge_offline(it, "pod"),
    "copies": judge_copies,
    "refused": judge_refused,
    "waking": lambda it: judge_waking(it, "pod", least=2),
    "waking, warm": lambda it: judge_waking(it, "warm", least=2),
    "asleep": lambda it: judge_asleep(it, "pod", limit_s=60),
    "asleep, warm": lambda it: judge_asleep(it, "warm", limit_s=60),
}

PLANTED: dict[str, tuple[str, Callable[[Evidence], Evidence]]] = {
    "lost": ("events", lambda it: replace(it, handled=it.handled[:-1])),
    "duplicated": ("events", lambda it: replace(it, handled=(*it.handled, it.handled[2]))),
    "misrouted": (
        "events",
        lambda it: replace(
            it, handled=(*it.handled[:2], replace(it.handled[2], way="warm"), *it.handled[3:])
        ),
    ),
    "wrong": (
        "events",
        lambda it: replace(
            it, handled=(*it.handled[:2], replace(it.handled[2], value=1), *it.handled[3:])
        ),
    ),
    "unknown": (
        "events",
        lambda it: replace(it, handled=(*it.handled, replace(it.handled[2], id="e99"))),
    ),
    "unseen": ("source", lambda it: replace(it, events=it.events[1:])),
    "seen twice": (
        "source",
        lambda it: replace(
            it, events=(*it.events, replace(it.events[1], id="x", seq=it.events[1].seq + 1))
        ),
    ),
    "untrue": (
        "source",
        lambda it: replace(it, events=(replace(it.events[0], value=1), *it.events[1:])),
    ),
    "waits for the cloud": ("offline", lambda it: replace(it, handled_offline=())),
    "not copied": ("copies", lambda it: replace(it, copies=it.copies and it.copies[1:])),
    "copied twice": ("copies", lambda it: replace(it, copies=it.copies and (*it.copies, "e1"))),
    "never stored": (
        "refused",
        lambda it: replace(
            it, events=(it.events[0], replace(it.events[1], stored=None), *it.events[2:])
        ),
    ),
    "runs on": ("asleep", lambda it: replace(it, asleep_s={**it.asleep_s, "pod": None})),
    "sleeps late": ("asleep", lambda it: replace(it, asleep_s={**it.asleep_s, "pod": 61.0})),
    "warm is gone": ("asleep, warm", lambda it: replace(it, asleep_s={"warm": 0.0})),
}


def value(verdict: Verdict, name: str) -> float | None:
    (found,) = [measure.value for measure in verdict.measures if measure.name == name]
    return found


@pytest.mark.parametrize("judge", JUDGES)
def test_a_run_without_a_defect_passes(judge: str) -> None:
    verdict = JUDGES[judge](evidence())
    assert verdict.passed, str(verdict)


@pytest.mark.parametrize("defect", PLANTED)
def test_each_planted_defect_turns_its_verdict_red(defect: str) -> None:
    judge, plant = PLANTED[defect]
    verdict = JUDGES[judge](plant(evidence()))
    assert len(verdict.problems) == 1, str(verdict)
    assert not verdict.problems[0].startswith("no evidence")


@pytest.mark.parametrize("judge", JUDGES)
def test_no_evidence_is_no_pass(judge: str) -> None:
    nothing = replace(
        evidence(),
        events=(),
        handled=(),
        steps=(),
        owed_offline=(),
        handled_offline=(),
        refused=frozenset(),
        copies=(),
    )
    problems = JUDGES[judge](nothing).problems
    assert any(problem.startswith("no evidence") for problem in problems)


def test_a_function_that_the_activator_has_not_woken_is_no_evidence_of_zero() -> None:
    asleep = replace(evidence(), activations=())
    (problem,) = JUDGES["asleep"](asleep).problems
    assert problem.startswith("no evidence")


def test_a_crossing_while_the_node_could_not_look_is_excused() -> None:
    whole = evidence()
    crossed = whole.events[1].seq
    blind = START + (crossed - 2) * NANOSECONDS, START + (crossed - 1) * NANOSECONDS
    lacking = replace(whole, events=tuple(it for it in whole.events if it.seq != crossed))
    assert not JUDGES["source"](lacking).passed
    assert JUDGES["source"](replace(lacking, blind=(blind,))).passed


# -- figures --------------------------------------------------------------------------------------


def test_stages_add_up_from_the_devices_step_to_what_was_done() -> None:
    verdict = JUDGES["waking"](evidence())
    stages = ("read", "stored", "woken", "delivered", "handled")
    named = [f"stages_of_a_waking_p50_pod_{stage}" for stage in stages]
    found = [value(verdict, name) for name in named]
    assert found == pytest.approx([0.2, 0.05, 2.75, 1.0, 0.1])
    assert value(verdict, "event_to_handled_pod_p50") == pytest.approx(4.1)
    assert value(verdict, "read_to_handled_pod_p99") == pytest.approx(3.9)


def test_what_is_warm_has_no_stage_of_waking() -> None:
    names = {measure.name for measure in JUDGES["waking, warm"](evidence()).measures}
    assert "stages_of_a_waking_p50_warm_woken" not in names
    assert "stages_of_a_waking_p50_warm_delivered" in names


def test_an_event_that_found_its_function_awake_is_no_cold_one() -> None:
    whole = evidence()
    awake = replace(whole.handled[2], began=whole.events[2].read - 1)
    handled = (*whole.handled[:2], awake, *whole.handled[3:])
    verdict = JUDGES["waking"](replace(whole, handled=handled))
    assert [problem.split(":")[0] for problem in verdict.problems] == ["no evidence"]


def test_without_a_clock_there_is_no_figure_of_the_devices_side() -> None:
    verdict = JUDGES["waking"](replace(evidence(), clock=None))
    assert verdict.passed
    assert value(verdict, "event_to_handled_pod_p50") is None
    assert value(verdict, "read_to_handled_pod_p50") is not None


STORM = Storm(events=900, drained_s=30.0, least_mib=400.0, before_mib=500.0, kills=0)


def test_a_storm_that_all_came_through_passes_with_its_figures() -> None:
    verdict = judge_storm(evidence(), STORM)
    assert verdict.passed
    assert value(verdict, "storm_events_per_second") == pytest.approx(30)
    assert value(verdict, "storm_memory_used") == pytest.approx(100)


@pytest.mark.parametrize(
    "harm",
    [{"drained_s": None}, {"kills": 1}, {"events": 0}, {"least_mib": 0.0}],
    ids=["not drained", "killed", "no events", "no look"],
)
def test_a_storm_with_a_defect_is_red(harm: dict[str, float | None]) -> None:
    assert not judge_storm(evidence(), replace(STORM, **harm)).passed  # type: ignore[arg-type]


# -- what a node prints ---------------------------------------------------------------------------


def test_running_functions_are_told_by_their_command_lines() -> None:
    printed = (
        "/opt/edge-lab/bin/edge-functions handle --way process --server nats://x --records y \n"
        "/edge-functions handle --way pod --server nats://x \n"
        "sh -c grep edge-functions handle --way warm x\n\n"
        "/opt/edge-lab/bin/edge-functions activate --config x \n"
    )
    assert running_in(printed) == {"process", "pod"}


def test_memory_is_read_and_its_absence_is_an_error() -> None:
    found = memory_in("MemAvailable:    1024000 kB\noom_kill 3\n")
    assert (found.available_mib, found.kills) == (1000.0, 3)
    with pytest.raises(LabError):
        memory_in("MemAvailable:    1024000 kB\n")


def test_a_crossing_after_the_end_may_have_an_event_or_none() -> None:
    whole = evidence()
    last = max(whole.events, key=lambda event: event.seq)
    crossed = next(step.time for step in whole.steps if step.seq == last.seq)
    early = replace(whole, until=crossed - 1)
    assert judge_source(early, LIMIT).passed
    assert judge_source(replace(early, events=whole.events[:-1]), LIMIT).passed
    assert not judge_source(replace(whole, events=whole.events[:-1]), LIMIT).passed
