"""The judge of commits that cannot work: what passes, and each planted defect."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from suites.gitops.evidence import BadCommit
from suites.gitops.judging import judge_bad_commit
from tests.addons.gitops.verdicts import NODE, PARTS, RUNTIME, START, run, value


def bad() -> BadCommit:
    return BadCommit(
        node=NODE,
        runtime=RUNTIME,
        fault="unreadable",
        parts=PARTS,
        good="r1",
        bad="r2",
        pushed=START,
        fixed=START + 60,
        said="BuildFailed: it cannot be read",
        revisions={"agent": "r1", "helper": "r1", "settings": "r1"},
        runs=tuple(run(part, "r1", -100) for part in PARTS),
    )


def test_a_node_that_keeps_the_last_good_one_passes() -> None:
    verdict = judge_bad_commit(bad())
    assert verdict.passed, str(verdict)
    assert value(verdict, "outage_by_a_bad_commit_unreadable") == 0


BADS: dict[str, Callable[[BadCommit], BadCommit]] = {
    "ended": lambda evidence: replace(
        evidence, runs=(replace(evidence.runs[0], ended=START + 10), evidence.runs[1])
    ),
    "interrupted": lambda evidence: replace(
        evidence,
        runs=(
            replace(evidence.runs[0], ended=START + 10),
            run("agent", "r1", 20),
            evidence.runs[1],
        ),
    ),
    "ran": lambda evidence: replace(evidence, runs=(*evidence.runs, run("agent", "r2", 20))),
    "half applied": lambda evidence: replace(
        evidence, revisions={**evidence.revisions, "settings": "r2"}
    ),
    "applied": lambda evidence: replace(
        evidence, revisions=dict.fromkeys(evidence.revisions, "r2")
    ),
    "nothing said": lambda evidence: replace(evidence, said=""),
    "was not there before": lambda evidence: replace(
        evidence,
        good="r0",
        revisions=dict.fromkeys(evidence.revisions, "r0"),
        runs=(*(replace(old_run, revision="r0", began=START + 1) for old_run in evidence.runs),),
    ),
}


@pytest.mark.parametrize("defect", BADS)
def test_each_planted_bad_commit_turns_it_red(defect: str) -> None:
    verdict = judge_bad_commit(BADS[defect](bad()))
    assert not verdict.passed, defect
    assert len(verdict.problems) <= 2


def test_a_missing_image_that_is_applied_passes_and_one_that_is_not_is_no_evidence() -> None:
    applied = replace(bad(), said="", revisions=dict.fromkeys(bad().revisions, "r2"))
    assert judge_bad_commit(applied, said=False).passed
    (problem,) = judge_bad_commit(replace(bad(), said=""), said=False).problems
    assert problem.startswith("no evidence"), problem
    half = replace(applied, revisions={**applied.revisions, "settings": "r1"})
    (problem,) = judge_bad_commit(half, said=False).problems
    assert problem.startswith("only a part"), problem


def test_an_outage_is_measured() -> None:
    ended = replace(bad(), runs=(replace(bad().runs[0], ended=START + 10), bad().runs[1]))
    assert value(judge_bad_commit(ended), "outage_by_a_bad_commit_unreadable") == 50
