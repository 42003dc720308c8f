"""Rollbacks and refusals: evidence that passes, and planted defects."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from edge_lab.addons.models.records import Act
from edge_lab.addons.models.versions import BASELINE, WORSE
from edge_lab.oracles.models.evidence import Refusal, Rollback
from edge_lab.oracles.models.updates import judge_refusal, judge_rollback
from tests.oracles.models.scenes import (
    BEGAN,
    DIGESTS,
    NEW,
    OLD,
    STEPS,
    TRUTH,
    VERSIONS,
    evidence,
    red,
    without,
)

# -- a rollback ------------------------------------------------------------------------------------

REQUESTED = BEGAN + 40
BACK = Act(REQUESTED + 1, "rolled-back", NEW, DIGESTS[NEW], OLD, "Asked")
RETURNED = Rollback(
    evidence(lambda second: OLD if second >= 42 else NEW, BACK),
    NEW,
    OLD,
    REQUESTED,
    (BEGAN + 30, BEGAN + 90),
    "Asked",
    OLD,
    after_boot=OLD,
)


def test_a_rollback_while_offline_passes() -> None:
    verdict = judge_rollback(RETURNED)
    assert verdict.passed, str(verdict)


def test_a_feed_without_answers_after_the_boot_is_red() -> None:
    ended = without(RETURNED.evidence, *range(60, STEPS))
    off = replace(ended, reboots=((BEGAN + 60, BEGAN + 80),))
    red(judge_rollback(replace(RETURNED, evidence=off)), "no answer for")


@pytest.mark.parametrize(
    ("rollback", "words"),
    [
        (replace(RETURNED, evidence=evidence(lambda second: NEW)), "was not rolled back"),
        (replace(RETURNED, serving=NEW), "before the heal"),
        (replace(RETURNED, after_boot=NEW), "after a boot"),
        (replace(RETURNED, reason="Worse"), "the reason"),
        (replace(RETURNED, offline=(BEGAN + 60, BEGAN + 90)), "not offline"),
        (replace(RETURNED, evidence=evidence(lambda second: OLD, BACK)), "did not serve before"),
        (replace(RETURNED, triggered_at=REQUESTED - 100), "are allowed"),
        (
            replace(
                RETURNED,
                evidence=evidence(
                    lambda second: OLD if second >= 42 else NEW,
                    BACK,
                    Act(REQUESTED + 1.5, "fetched", OLD),
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
    errors = [
        abs(VERSIONS[tag].output(earlier.inputs) - later.inputs[0]) for earlier, later in pairs
    ]
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
