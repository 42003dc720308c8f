"""The trace of a start: steps within their parents, lanes without overlap, the file, the times."""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from jsonschema import Draft202012Validator, ValidationError

from edge_lab.core.errors import InputError, LabError
from edge_lab.core.step import listening, step
from edge_lab.core.steprecord import Outcome, RecordedStep, StepRecorder
from edge_lab.evidence.chrometrace import CPU, MEMORY, read_trace, trace_json, write_trace
from edge_lab.evidence.steptimes import covered, step_times
from edge_lab.evidence.trace import StartTrace, TracedStep, traced
from edge_lab.handle.hostprocesses import HostProcess, HostRole
from tests.budget import examples
from tests.evidence.recordedsteps import MAIN, any_steps, recorded

PROCESSES = (
    HostProcess(role=HostRole.NODE, name="server", pid=10, pss_mib=1500.5, cpu_seconds=31.0),
    HostProcess(role=HostRole.FABRIC, name="fabric", pid=11, pss_mib=None, cpu_seconds=2.0),
)


def trace_of(steps: Sequence[TracedStep], kind: str = "cold start") -> StartTrace:
    began = "2026-01-01T00:00:00+00:00"
    return StartTrace("default", "k3s+k3s", kind, began, "1.0", tuple(steps), PROCESSES)


# -- steps as they are recorded --------------------------------------------------------------------


def test_steps_are_recorded_with_their_threads_and_what_failed() -> None:
    recorder = StepRecorder()
    with listening(recorder.take), step("lab"):
        with step("machines") as outer:

            def boot() -> None:
                with step("boot", parent=outer):
                    pass

            thread = threading.Thread(target=boot)
            thread.start()
            thread.join()
        with pytest.raises(LabError), step("stack"):
            raise LabError("not in time")
        seen = {found.title: found for found in recorder.steps()}
    assert {title: found.outcome.value for title, found in seen.items()} == {
        "lab": "unfinished",
        "machines": "ended",
        "boot": "ended",
        "stack": "failed",
    }
    assert seen["stack"].detail == "not in time"
    assert seen["boot"].thread != seen["machines"].thread == seen["lab"].thread
    lanes = {found.title: found.lane for found in traced(recorder.steps())}
    assert lanes == {"lab": 1, "machines": 1, "stack": 1, "boot": 2}


def test_a_start_that_fails_fails_with_the_steps_that_its_thread_is_in() -> None:
    recorder = StepRecorder()
    with listening(recorder.take), step("lab"):
        (found,) = recorder.steps(LabError("not in time", remedy="Look."))
        (interrupted,) = recorder.steps(KeyboardInterrupt())
    assert (found.outcome, found.detail) == (Outcome.FAILED, "not in time")
    assert interrupted.detail == "KeyboardInterrupt"


# -- nesting and lanes -----------------------------------------------------------------------------


def check_nested(steps: Sequence[TracedStep]) -> None:
    """AssertionError if a step is not within its parent."""
    by_id = {found.id: found for found in steps}
    for found in steps:
        assert 0 <= found.begin <= found.end
        if found.parent is not None:
            parent = by_id[found.parent]
            assert parent.begin <= found.begin <= found.end <= parent.end


def check_lanes(steps: Sequence[TracedStep]) -> None:
    """AssertionError if two steps of a lane overlap and neither is within the other."""
    lanes: dict[int, list[TracedStep]] = defaultdict(list)
    for found in steps:
        assert found.lane >= 1
        for other in lanes[found.lane]:
            apart = found.end <= other.begin or other.end <= found.begin
            within = other.begin <= found.begin and found.end <= other.end
            around = found.begin <= other.begin and other.end <= found.end
            assert apart or within or around
        lanes[found.lane].append(found)


@given(any_steps())
@settings(max_examples=examples(100))
def test_steps_lie_within_their_parents_and_lanes_do_not_overlap(
    steps: tuple[RecordedStep, ...],
) -> None:
    found = traced(steps)
    assert {step.id for step in found} == {step.id for step in steps}
    check_nested(found)
    check_lanes(found)


def test_the_checks_of_nesting_can_fail() -> None:
    one, other = TracedStep(1, None, "one", 1, 0, 10), TracedStep(2, 1, "other", 1, 5, 15)
    with pytest.raises(AssertionError):
        check_nested([one, other])
    with pytest.raises(AssertionError):
        check_lanes([one, other])
    check_lanes([one, replace(other, lane=2)])


def test_what_runs_in_parallel_is_on_lanes_of_its_own_which_are_used_again() -> None:
    steps = traced(
        [
            recorded(1, None, 0, 100),
            recorded(2, 1, 10, 40, thread=8),
            recorded(3, 1, 11, 60, thread=9),
            recorded(4, 2, 20, 30, thread=8),
            recorded(5, 1, 50, 90, thread=10),
            recorded(6, 1, 50, 70, thread=MAIN),
        ]
    )
    assert {found.id: found.lane for found in steps} == {1: 1, 2: 2, 3: 3, 4: 2, 5: 2, 6: 1}


def test_a_step_that_outlives_its_parent_is_cut_and_says_so() -> None:
    steps = traced([recorded(1, None, 0, 100), recorded(2, 1, 90, 130, thread=8)])
    assert [(found.end, found.cut) for found in steps] == [(100_000, 0), (100_000, 30_000)]


def test_a_step_of_a_thread_that_knows_no_parent_is_a_part_of_the_first() -> None:
    steps = traced([recorded(1, None, 0, 100), recorded(2, None, 10, 20, thread=8)])
    assert [found.parent for found in steps] == [None, 1]


# -- where the time went ---------------------------------------------------------------------------


@given(any_steps())
@settings(max_examples=examples(100))
def test_at_each_moment_one_step_is_on_the_critical_path(steps: tuple[RecordedStep, ...]) -> None:
    found = traced(steps)
    outermost = [step for step in found if step.parent is None]
    times = step_times(found)
    on_path = [interval for timed in times for interval in timed.critical]
    assert sum(timed.critical_length for timed in times) == sum(step.length for step in outermost)
    if len(outermost) == 1:
        assert covered(on_path) == outermost[0].length
    for timed in times:
        assert 0 <= timed.own <= timed.step.length
        assert all(timed.step.begin <= a < b <= timed.step.end for a, b in timed.critical)
        assert list(timed.critical) == sorted(timed.critical)


def test_the_critical_path_goes_by_what_ends_last() -> None:
    steps = traced(
        [
            recorded(1, None, 0, 100),
            recorded(2, 1, 10, 40),  # the control plane
            recorded(3, 1, 10, 60, thread=8),  # a machine that nobody waits for in the end
            recorded(4, 1, 50, 95),  # the stack
        ]
    )
    times = {found.step.id: found for found in step_times(steps)}
    assert {number: found.critical_length for number, found in times.items()} == {
        1: 15_000,
        2: 0,
        3: 40_000,
        4: 45_000,
    }
    assert times[1].own == 15_000
    assert times[1].critical == ((0, 10_000), (95_000, 100_000))


# -- the file --------------------------------------------------------------------------------------

_NUMBER = {"type": "integer", "minimum": 0}
FORMAT = {
    "type": "object",
    "required": ["traceEvents"],
    "properties": {
        "displayTimeUnit": {"enum": ["ms", "ns"]},
        "traceEvents": {
            "type": "array",
            "minItems": 1,
            "items": {
                "required": ["name", "ph", "ts", "pid", "tid"],
                "properties": {
                    "name": {"type": "string"},
                    "cat": {"type": "string"},
                    "ph": {"enum": ["X", "M", "C"]},
                    **dict.fromkeys(("ts", "dur", "pid", "tid"), _NUMBER),
                    "args": {"type": "object"},
                },
                "allOf": [
                    {
                        "if": {"properties": {"ph": {"const": "X"}}},
                        "then": {"required": ["dur", "cat"]},
                    },
                    {
                        "if": {"properties": {"ph": {"const": "C"}}},
                        "then": {
                            "required": ["args"],
                            "properties": {"args": {"additionalProperties": {"type": "number"}}},
                        },
                    },
                    {
                        "if": {"properties": {"ph": {"const": "M"}}},
                        "then": {
                            "required": ["args"],
                            "properties": {
                                "name": {
                                    "enum": ["process_name", "thread_name", "thread_sort_index"]
                                }
                            },
                        },
                    },
                ],
            },
        },
    },
}
"""What the description of the format says of the kinds of events that we write."""


def check_format(content: object) -> None:
    Draft202012Validator(FORMAT).validate(content)


def events(trace: StartTrace, phase: str) -> list[dict[str, Any]]:
    return [event for event in json.loads(trace_json(trace))["traceEvents"] if event["ph"] == phase]


@given(any_steps())
@settings(max_examples=examples(60))
def test_the_file_is_of_the_format_and_read_again_the_same(
    tmp_path_factory: pytest.TempPathFactory, steps: tuple[RecordedStep, ...]
) -> None:
    trace = trace_of(traced(steps))
    check_format(json.loads(trace_json(trace)))
    path = tmp_path_factory.getbasetemp() / "trace.json"
    write_trace(trace, path)
    assert read_trace(path) == trace


def test_an_event_without_its_duration_is_not_of_the_format() -> None:
    content = json.loads(trace_json(trace_of(traced([recorded(1, None, 0, 5)]))))
    del next(event for event in content["traceEvents"] if event["ph"] == "X")["dur"]
    with pytest.raises(ValidationError):
        check_format(content)


def test_lanes_are_named_and_a_failed_step_is_marked() -> None:
    steps = [recorded(1, None, 0, 9), recorded(2, 1, 1, 5, thread=8, outcome=Outcome.FAILED)]
    trace = trace_of(traced(steps))
    lanes = {
        event["tid"]: event["args"]["name"]
        for event in events(trace, "M")
        if event["name"] == "thread_name"
    }
    assert sorted(lanes) == [1, 2]
    assert len(set(lanes.values())) == 2
    whole, failed = events(trace, "X")
    assert (failed["cat"], failed["cname"]) == ("step,failed", "terrible")
    assert (failed["ts"], failed["dur"], failed["tid"]) == (1000, 4000, 2)
    assert (whole["cat"], "cname" in whole) == ("step", False)


def test_what_the_processes_took_is_counted_at_the_end_and_with_the_whole() -> None:
    trace = trace_of(traced([recorded(1, None, 0, 9)]))
    counters = {event["name"]: event for event in events(trace, "C")}
    assert counters[MEMORY]["args"] == {"node server": 1500.5}
    assert counters[CPU]["args"] == {"node server": 31.0, "fabric fabric": 2.0}
    assert {event["ts"] for event in counters.values()} == {9000}
    (whole,) = events(trace, "X")
    assert whole["args"][MEMORY] == {"node server": 1500.5}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        "\x00",
        '{"traceEvents": [], "otherData": {}}',
        trace_json(trace_of([])),
        '{"traceEvents": [{"ph": "X", "name": "a", "ts": 1, "dur": 1, "pid": 1, "tid": 1}]}',
    ],
)
def test_what_is_no_trace_of_a_start_is_an_input_mistake(content: str, tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    path.write_text(content)
    with pytest.raises(InputError):
        read_trace(path)
    with pytest.raises(InputError):
        read_trace(tmp_path / "nothing")
