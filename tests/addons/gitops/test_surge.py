"""The judge of a surging part after a heal: what passes, and each planted defect."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge_lab.addons.witness import Run
from suites.gitops.evidence import Rollout
from suites.gitops.judging import judge_surge
from tests.addons.gitops.verdicts import NODE, RUNTIME, START, red, run, value

PART = "surging"
ABSENT = "surging_part_absent_after_a_heal"


def back() -> Rollout:
    """The new pod starts before the old one ends."""
    return Rollout(
        node=NODE,
        runtime=RUNTIME,
        parts=(PART,),
        previous="r1",
        revision="r2",
        pushed=START,
        fetched=START + 8,
        applied=START + 12,
        observed_at=START + 120,
        runs=(run(PART, "r1", -100, 100), run(PART, "r2", 95)),
        expected=START + 83,
    )


def test_a_surging_part_that_runs_until_the_new_one_passes() -> None:
    verdict = judge_surge(back(), PART)
    assert verdict.passed, str(verdict)
    assert value(verdict, ABSENT) == 0


def test_a_surging_part_that_ends_first_is_found() -> None:
    runs = (run(PART, "r1", -100, 90), run(PART, "r2", 110))
    verdict = judge_surge(replace(back(), runs=runs), PART)
    red(verdict)
    assert value(verdict, ABSENT) == 20


def test_a_restart_before_the_heal_does_not_count() -> None:
    restarted = (run(PART, "r1", -100, 10), run(PART, "r1", 12, 100), run(PART, "r2", 95))
    assert judge_surge(replace(back(), runs=restarted), PART).passed


UNPROVEN: dict[str, tuple[Run, ...]] = {
    "gone before the heal": (run(PART, "r1", -100, 10), run(PART, "r2", 95)),
    "new one before the heal": (run(PART, "r1", -100, 85), run(PART, "r2", 30)),
    "no new one": (run(PART, "r1", -100, 85),),
    "nothing": (),
}


@pytest.mark.parametrize("case", UNPROVEN)
def test_a_surge_without_evidence_is_red(case: str) -> None:
    verdict = judge_surge(replace(back(), runs=UNPROVEN[case]), PART)
    assert verdict.shows_nothing
