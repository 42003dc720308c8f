"""Each request is answered by one whole version: evidence that passes, and planted defects."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge_lab.oracles.models.evidence import Step
from edge_lab.oracles.models.requests import GAP_SECONDS, judge_requests, requests_found
from edge_lab.oracles.models.updates import CLOCK_SECONDS
from suites.models import scenarios
from tests.oracles.models.scenes import (
    BEGAN,
    DIGESTS,
    NEW,
    OLD,
    STEADY,
    STEPS,
    TRUTH,
    VERSIONS,
    changed,
    evidence,
    red,
    without,
)


def test_each_request_answered_by_a_whole_version_passes() -> None:
    verdict = judge_requests(STEADY, {OLD})
    assert verdict.passed, str(verdict)
    assert {measure.name for measure in verdict.measures} >= {"requests_lost"}


def test_a_lost_request_is_red() -> None:
    found = changed(STEADY, 7, ok=False, message="refused")
    red(judge_requests(found, {OLD}), "got no answer")


def test_the_model_of_one_version_with_the_scaling_of_another_is_red() -> None:
    new, old = VERSIONS[NEW], VERSIONS[OLD]
    step = TRUTH[7]
    rows = [
        (value - offset) / scale
        for value, offset, scale in zip(step.inputs, new.offsets, new.scales, strict=True)
    ]
    weights, bias = old.scaled
    half = sum(map(float.__mul__, weights, rows)) + bias
    output = half * new.scale + new.offset
    found = changed(STEADY, 7, tag=NEW, digest=DIGESTS[NEW], output=output)
    red(judge_requests(found, {OLD, NEW}), "not those of the version that they name")


@pytest.mark.parametrize(
    "values",
    [
        {"output": float("nan")},
        {"output": None},
        {"digest": "sha256:unknown"},
        {"tag": NEW},
    ],
)
def test_answers_of_no_version_are_red(values: dict[str, object]) -> None:
    red(judge_requests(changed(STEADY, 7, **values), {OLD, NEW}), "not those of the version")


def test_a_version_that_must_not_serve_is_red() -> None:
    red(judge_requests(evidence(lambda second: NEW if second > 50 else OLD), {OLD}), "must not")


def test_inputs_that_the_device_never_had_are_red() -> None:
    inputs = (1.0, *TRUTH[7].inputs[1:])
    output = VERSIONS[OLD].output(inputs)
    red(judge_requests(changed(STEADY, 7, inputs=inputs, output=output), {OLD}), "other inputs")


@pytest.mark.parametrize("steps", [(), TRUTH[:50]], ids=["empty", "half of it"])
def test_without_the_ground_truth_there_is_no_evidence(steps: tuple[Step, ...]) -> None:
    red(judge_requests(replace(STEADY, steps=steps), {OLD}), "ground truth")


def test_a_step_that_was_shown_long_before_may_be_unknown() -> None:
    assert judge_requests(replace(STEADY, steps=TRUTH[1:]), {OLD}).passed


def test_a_long_silence_is_red_unless_the_node_was_off() -> None:
    found = without(STEADY, *range(20, 40))
    red(judge_requests(found, {OLD}), "no answer for")
    assert judge_requests(replace(found, reboots=((BEGAN + 21, BEGAN + 39),)), {OLD}).passed


@pytest.mark.parametrize("missing", [range(15), range(STEPS - 15, STEPS)], ids=["first", "last"])
def test_a_silence_at_either_end_is_red_unless_the_node_was_off(missing: range) -> None:
    found = without(STEADY, *missing)
    red(judge_requests(found, {OLD}), "no answer for")
    off = (BEGAN + missing.start, BEGAN + missing.stop)
    assert judge_requests(replace(found, reboots=(off,)), {OLD}).passed


def test_a_feed_that_has_ended_is_seen_in_what_is_watched_after_a_scenario() -> None:
    assert scenarios.BEFORE_SECONDS > GAP_SECONDS + CLOCK_SECONDS


def test_time_in_which_the_device_could_not_be_read_is_no_time_without_an_answer() -> None:
    found = without(STEADY, *range(20, 40))
    blind = ((BEGAN + 21, BEGAN + 30), (BEGAN + 28, BEGAN + 39))
    assert judge_requests(replace(found, blind=blind), {OLD}).passed
    red(judge_requests(replace(found, blind=blind[:1]), {OLD}), "no answer for")
    # A request that was made must be answered all the same.
    lost = changed(STEADY, 25, ok=False, message="refused")
    red(judge_requests(replace(lost, blind=blind), {OLD}), "got no answer")


def test_a_longer_time_without_an_answer_may_be_allowed() -> None:
    found = without(STEADY, *range(20, 40))
    assert requests_found(found, {OLD}, gap_s=25.0)[0] == ()
    (problem,) = requests_found(found, {OLD}, gap_s=15.0)[0]
    assert "15 s are allowed" in problem


def test_no_requests_are_no_evidence() -> None:
    red(judge_requests(without(STEADY, *range(STEPS)), {OLD}), "no evidence")
