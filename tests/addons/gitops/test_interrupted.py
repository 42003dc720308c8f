"""The judge of an update that is cut off: what passes, and each planted defect."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from suites.gitops.interrupted import Interrupted, judge_interrupted
from tests.addons.gitops.verdicts import NODE, RUNTIME, START, red, run, value


def interrupted() -> Interrupted:
    """One part was replaced in place, and has no new pod; the other surges."""
    runs = (run("agent", "r1", -100, 21), run("surging", "r1", -100), run("surging", "r2", 25))
    return Interrupted(
        node=NODE,
        runtime=RUNTIME,
        parts=("agent", "surging"),
        surging=frozenset({"surging"}),
        previous="r1",
        revision="r2",
        begun=START + 20,
        cut=START + 22,
        ended=START + 82,
        runs=runs,
    )


def test_a_part_that_is_replaced_in_place_may_be_absent() -> None:
    verdict = judge_interrupted(interrupted())
    assert verdict.passed, str(verdict)
    absences = {
        name: value(verdict, f"absent_while_cut_off_during_an_update_{name}")
        for name in ("surging", "replaced_in_place")
    }
    assert absences == {"surging": 0, "replaced_in_place": 61}


def test_a_node_that_ran_both_revisions_of_what_surges_passes() -> None:
    gone = replace(interrupted().runs[1], ended=START + 27)
    runs = (interrupted().runs[0], gone, interrupted().runs[2])
    assert judge_interrupted(replace(interrupted(), runs=runs)).passed


INTERRUPTIONS: dict[str, Callable[[Interrupted], Interrupted]] = {
    "too short": lambda evidence: replace(evidence, ended=START + 40),
    "not begun": lambda evidence: replace(evidence, begun=None),
    "complete before": lambda evidence: replace(
        evidence,
        runs=(
            *(replace(each_run, ended=START + 21) for each_run in evidence.runs[:2]),
            run("agent", "r2", 21),
            run("surging", "r2", 21),
        ),
    ),
    "surging absent": lambda evidence: replace(
        evidence,
        runs=(
            evidence.runs[0],
            replace(evidence.runs[1], ended=START + 30),
            run("surging", "r2", 40),
        ),
    ),
    "another revision": lambda evidence: replace(
        evidence, runs=(*evidence.runs, run("agent", "r3", 30))
    ),
    "the old one again": lambda evidence: replace(
        evidence, runs=(*evidence.runs, run("agent", "r1", 30))
    ),
    "started twice": lambda evidence: replace(
        evidence,
        runs=(
            *evidence.runs[:2],
            replace(evidence.runs[2], ended=START + 30),
            run("surging", "r2", 31),
        ),
    ),
    "never ran the one before": lambda evidence: replace(evidence, runs=evidence.runs[1:]),
}


@pytest.mark.parametrize("defect", INTERRUPTIONS)
def test_each_planted_interruption_turns_it_red(defect: str) -> None:
    red(judge_interrupted(INTERRUPTIONS[defect](interrupted())))
