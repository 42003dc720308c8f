"""Verdicts on models, each with evidence that passes and planted defects that turn it red."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest

from edge_lab.addons.models.records import Act, Asked, Requests
from edge_lab.addons.models.versions import BASELINE, BETTER, WORSE, versions_for
from edge_lab.devices.plant import Boiler
from edge_lab.oracles.models.cloud import judge_canary, judge_latency, judge_reported
from edge_lab.oracles.models.evidence import (
    Canary,
    CutUpdate,
    Evidence,
    Known,
    Latency,
    Look,
    Refusal,
    Reported,
    Rollback,
    Step,
    Turn,
)
from edge_lab.oracles.models.requests import judge_requests
from edge_lab.oracles.models.updates import judge_cut_update, judge_refusal, judge_rollback
from edge_lab.oracles.verdict import Verdict

VERSIONS = versions_for(1.0)
DIGESTS = {tag: f"sha256:{tag}" for tag in VERSIONS}
KNOWN = Known({DIGESTS[tag]: version for tag, version in VERSIONS.items()})
OLD, NEW = BETTER, "10"
BEGAN = 1000.0
STEPS = 100


def truth() -> tuple[Step, ...]:
    """A step each second."""
    plant = Boiler()
    state = plant.initial(11)
    found = []
    for number in range(STEPS):
        state = plant.advance(state, 70.0, 1.0, 11, number)
        raw = plant.raw(state, 70.0)
        inputs = tuple(
            float(raw[name])
            for name in ("temperature", "pressure", "flow", "valve", "heater", "setpoint")
        )
        found.append(Step(number, BEGAN + number, inputs))
    return tuple(found)


TRUTH = truth()


def asked(step: Step, tag: str) -> Asked:
    output = VERSIONS[tag].output(step.inputs)
    return Asked(step.seq, step.time + 0.1, step.inputs, True, tag, DIGESTS[tag], output, 2.0)


def evidence(serving: Callable[[float], str], *acts: Act) -> Evidence:
    """`serving` is the tag that serves so many seconds after the beginning."""
    requests = tuple(asked(step, serving(step.time - BEGAN)) for step in TRUTH)
    return Evidence("edge", "native", BEGAN, BEGAN + STEPS, Requests(requests), acts, TRUTH, KNOWN)


def changed(found: Evidence, seq: int, **values: object) -> Evidence:
    requests = tuple(
        replace(one, **values) if one.seq == seq else one  # type: ignore[arg-type]
        for one in found.requests.asked
    )
    return replace(found, requests=Requests(requests))


def without(found: Evidence, *seqs: int) -> Evidence:
    requests = tuple(one for one in found.requests.asked if one.seq not in seqs)
    return replace(found, requests=Requests(requests))


def red(verdict: Verdict, words: str) -> None:
    assert any(words in problem for problem in verdict.problems), str(verdict)


STEADY = evidence(lambda second: OLD)


# -- requests --------------------------------------------------------------------------------------


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


def test_a_long_silence_is_red_unless_the_node_was_off() -> None:
    found = without(STEADY, *range(20, 40))
    red(judge_requests(found, {OLD}), "no answer for")
    assert judge_requests(replace(found, reboots=((BEGAN + 21, BEGAN + 39),)), {OLD}).passed


def test_no_requests_are_no_evidence() -> None:
    red(judge_requests(without(STEADY, *range(STEPS)), {OLD}), "no evidence")


# -- an update that is cut -------------------------------------------------------------------------

CUT, HEALED, PROMOTED = BEGAN + 20, BEGAN + 45, BEGAN + 60
UPDATED = CutUpdate(
    evidence(
        lambda second: NEW if second >= 61 else OLD,
        Act(PROMOTED + 1, "promoted", NEW, DIGESTS[NEW], NEW),
    ),
    OLD,
    NEW,
    size=1000,
    at_cut=400,
    at_heal=420,
    cut=(CUT, HEALED),
    serving=NEW,
)


def test_the_old_version_until_the_new_one_is_whole_passes() -> None:
    verdict = judge_cut_update(UPDATED)
    assert verdict.passed, str(verdict)
    found = {measure.title: measure.value for measure in verdict.measures}
    assert found["between the last old and the first new answer"] == pytest.approx(1.0)
    assert found["new version serves"] == pytest.approx(16.1)


@pytest.mark.parametrize(
    ("update", "words"),
    [
        (replace(UPDATED, at_cut=0), "no evidence"),
        (replace(UPDATED, at_cut=1000), "no evidence"),
        (replace(UPDATED, cut=(HEALED - 5, HEALED)), "no evidence"),
        (replace(UPDATED, serving=OLD), "serves in the end"),
        (
            replace(UPDATED, evidence=evidence(lambda second: NEW if second > 30 else OLD)),
            "before it can be complete",
        ),
        (
            replace(
                UPDATED,
                evidence=evidence(lambda second: NEW if second > 61 and second % 2 else OLD),
            ),
            "after 10 had begun",
        ),
        (
            replace(UPDATED, evidence=changed(UPDATED.evidence, 30, ok=False, message="503")),
            "got no answer",
        ),
        (replace(UPDATED, evidence=without(UPDATED.evidence, *range(20, 46))), "not asked during"),
    ],
)
def test_defects_of_an_update_are_red(update: CutUpdate, words: str) -> None:
    red(judge_cut_update(update), words)


# -- a rollback ------------------------------------------------------------------------------------

ASKED = BEGAN + 40
BACK = Act(ASKED + 1, "rolled-back", NEW, DIGESTS[NEW], OLD, "Asked")
RETURNED = Rollback(
    evidence(lambda second: OLD if second >= 42 else NEW, BACK),
    NEW,
    OLD,
    ASKED,
    (BEGAN + 30, BEGAN + 90),
    "Asked",
    OLD,
    after_boot=OLD,
)


def test_a_rollback_while_offline_passes() -> None:
    verdict = judge_rollback(RETURNED)
    assert verdict.passed, str(verdict)


@pytest.mark.parametrize(
    ("rollback", "words"),
    [
        (replace(RETURNED, evidence=evidence(lambda second: NEW)), "was not rolled back"),
        (replace(RETURNED, serving=NEW), "before the heal"),
        (replace(RETURNED, after_boot=NEW), "after a boot"),
        (replace(RETURNED, reason="Worse"), "the reason"),
        (replace(RETURNED, offline=(BEGAN + 60, BEGAN + 90)), "not offline"),
        (replace(RETURNED, evidence=evidence(lambda second: OLD, BACK)), "did not serve before"),
        (replace(RETURNED, asked=ASKED - 100), "are allowed"),
        (
            replace(
                RETURNED,
                evidence=evidence(
                    lambda second: OLD if second >= 42 else NEW,
                    BACK,
                    Act(ASKED + 1.5, "fetched", OLD),
                ),
            ),
            "was fetched after",
        ),
        (
            replace(
                RETURNED, evidence=evidence(lambda second: OLD if 42 <= second < 60 else NEW, BACK)
            ),
            "after the rollback",
        ),
    ],
)
def test_defects_of_a_rollback_are_red(rollback: Rollback, words: str) -> None:
    red(judge_rollback(rollback), words)


# -- a refusal -------------------------------------------------------------------------------------


def mean(tag: str, since: int, until: int) -> float:
    steps = TRUTH[since:until]
    pairs = pairwise(steps)
    errors = [abs(VERSIONS[tag].output(one.inputs) - later.inputs[0]) for one, later in pairs]
    return sum(errors) / len(errors)


COMPARED = Act(BEGAN + 40, "compared", WORSE, errors=(mean(WORSE, 26, 40), mean(OLD, 26, 40)))
REFUSED = Refusal(
    evidence(
        lambda second: OLD,
        Act(BEGAN + 20, "told", WORSE),
        Act(BEGAN + 25, "staged", WORSE),
        COMPARED,
        Act(BEGAN + 41, "refused", WORSE, reason="Worse"),
    ),
    WORSE,
    "Worse",
    OLD,
    OLD,
    "Halted",
    (),
    compared=True,
)


def but(*acts: Act) -> Refusal:
    """With other acts after the comparison, or without."""
    return replace(REFUSED, evidence=replace(REFUSED.evidence, acts=acts))


def test_a_worse_version_that_is_refused_passes() -> None:
    verdict = judge_refusal(REFUSED)
    assert verdict.passed, str(verdict)


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        (but(COMPARED), "was not refused"),
        (but(COMPARED, Act(1, "promoted", WORSE)), "was promoted"),
        (but(COMPARED, Act(1, "refused", WORSE, reason="Corrupt")), "the reason"),
        (but(Act(1, "refused", WORSE, reason="Worse")), "was not compared"),
        (replace(REFUSED, serving=WORSE), "serves, not"),
        (replace(REFUSED, phase="Progressing"), "the cloud says"),
        (replace(REFUSED, told=("server",)), "too"),
        (
            but(
                Act(BEGAN + 25, "staged", WORSE),
                replace(COMPARED, errors=(2.0, 40.0)),
                Act(BEGAN + 41, "refused", WORSE, reason="Worse"),
            ),
            "ground truth",
        ),
        (
            replace(REFUSED, evidence=replace(REFUSED.evidence, steps=())),
            "too few steps",
        ),
        (
            replace(
                REFUSED,
                evidence=replace(
                    evidence(lambda second: WORSE if second > 90 else OLD),
                    acts=REFUSED.evidence.acts,
                ),
            ),
            "must not serve",
        ),
    ],
)
def test_defects_of_a_refusal_are_red(refusal: Refusal, words: str) -> None:
    red(judge_refusal(refusal), words)


def test_a_better_version_that_was_refused_is_red() -> None:
    """The node's gate is wrong: the ground truth says so."""
    figures = (mean(OLD, 26, 40), mean(BASELINE, 26, 40))
    acts = (
        Act(BEGAN + 25, "staged", OLD),
        Act(BEGAN + 40, "compared", OLD, errors=figures),
        Act(BEGAN + 41, "refused", OLD, reason="Worse"),
    )
    found = replace(
        REFUSED,
        tag=OLD,
        expected=BASELINE,
        serving=BASELINE,
        evidence=evidence(lambda second: BASELINE, *acts),
    )
    red(judge_refusal(found), "is not worse")


# -- the cloud -------------------------------------------------------------------------------------


def look(second: float, phase: str, said: str, ran: str) -> Look:
    digest = DIGESTS.get(said, "")
    return Look(BEGAN + second, phase, digest, DIGESTS[ran])


CHANGE = BEGAN + 10
ONLINE = Reported(
    "edge",
    "native",
    (
        look(0, "Done", OLD, OLD),
        look(5, "Told", OLD, OLD),
        look(12, "Told", OLD, NEW),
        look(20, "Done", NEW, NEW),
        look(60, "Done", NEW, NEW),
    ),
    (CHANGE,),
    None,
    KNOWN,
)
OFFLINE = replace(
    ONLINE,
    looks=(
        look(0, "Done", NEW, NEW),
        look(22, "Done", NEW, NEW),
        look(50, "Done", NEW, OLD),
        look(120, "Unknown", "", OLD),
        look(190, "Failed", OLD, OLD),
    ),
    changes=(BEGAN + 30,),
    offline=(BEGAN + 20, BEGAN + 150),
)


@pytest.mark.parametrize("reported", [ONLINE, OFFLINE], ids=["online", "offline"])
def test_a_cloud_that_knows_what_runs_passes(reported: Reported) -> None:
    verdict = judge_reported(reported)
    assert verdict.passed, str(verdict)


@pytest.mark.parametrize(
    ("reported", "words"),
    [
        (replace(ONLINE, looks=ONLINE.looks[:2]), "no evidence"),
        (replace(ONLINE, changes=()), "no evidence"),
        (
            replace(ONLINE, looks=(*ONLINE.looks[:3], look(50, "Told", OLD, NEW), ONLINE.looks[4])),
            "and 10 does",
        ),
        (replace(ONLINE, looks=(look(2, "Done", NEW, OLD), *ONLINE.looks[1:])), "and 2 does"),
        (replace(ONLINE, looks=(*ONLINE.looks[:4], look(60, "Done", OLD, NEW))), "in the end"),
        (replace(ONLINE, looks=(*ONLINE.looks[:4], look(60, "Unknown", "", NEW))), "in the end"),
        (
            replace(
                OFFLINE, looks=(*OFFLINE.looks[:3], look(120, "Done", NEW, OLD), OFFLINE.looks[4])
            ),
            "still says",
        ),
    ],
)
def test_a_cloud_that_is_wrong_is_red(reported: Reported, words: str) -> None:
    red(judge_reported(reported), words)


CANARY = Canary(
    "native",
    NEW,
    (
        Turn("a", 10.0, 30.0, "promoted"),
        Turn("b", 32.0, 50.0, "promoted"),
        Turn("c", 52.0, 55.0, "promoted"),
    ),
    1.0,
)


def turns(*found: Turn) -> Canary:
    return replace(CANARY, turns=found)


A, B, C = CANARY.turns


@pytest.mark.parametrize(
    "canary",
    [CANARY, turns(replace(A, outcome="refused"), Turn("b", None, None, ""))],
    ids=["all", "halted"],
)
def test_one_node_after_the_other_passes(canary: Canary) -> None:
    assert judge_canary(canary).passed, str(judge_canary(canary))


@pytest.mark.parametrize(
    ("canary", "words"),
    [
        (turns(), "no evidence"),
        (turns(A), "no evidence"),
        (turns(A, replace(B, told=11.0), C), "had ended"),
        (turns(replace(A, told=60.0, ended=70.0), B, C), "in the order"),
        (turns(A, B, Turn("c", None, None, "")), "did not get"),
        (turns(replace(A, outcome="refused"), B, C), "after a refused"),
    ],
)
def test_a_rollout_that_is_no_canary_is_red(canary: Canary, words: str) -> None:
    red(judge_canary(canary), words)


LATENCY = Latency("edge", "native", "edge", "3G", (1.0,) * 20, 9.0, (BETTER,))


def test_a_latency_is_measured() -> None:
    verdict = judge_latency(LATENCY, tag=BETTER)
    assert verdict.passed
    assert [measure.value for measure in verdict.measures] == [1.0, 1.0, 9.0]


@pytest.mark.parametrize(
    ("latency", "words"),
    [
        (replace(LATENCY, ms=(1.0,)), "no evidence"),
        (replace(LATENCY, ms=(), first_ms=None, tags=()), "no evidence"),
        (replace(LATENCY, troubles=("refused",)), "failed"),
        (replace(LATENCY, tags=(BETTER, NEW)), "answered by"),
    ],
)
def test_a_latency_of_something_else_is_red(latency: Latency, words: str) -> None:
    red(judge_latency(latency, tag=BETTER), words)
