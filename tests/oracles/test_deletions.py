"""The verdict on a deleted pod: evidence that passes, and planted defects."""

from __future__ import annotations

from dataclasses import replace

import pytest

from suites.autonomy.deletions import Deletion, judge_deletion

GOOD = Deletion(
    node="edge",
    runtime="native",
    disk_full=True,
    ran=True,
    ended=True,
    kept=True,
    returned=False,
    at_end=False,
)


def test_a_pod_that_stays_away_passes() -> None:
    verdict = judge_deletion(GOOD)
    assert verdict.passed, str(verdict)
    assert [measure.value for measure in verdict.measures] == [0, 0]


@pytest.mark.parametrize(
    ("deletion", "words"),
    [
        (replace(GOOD, ran=False), "no evidence"),
        (replace(GOOD, ended=False), "no evidence"),
        (replace(GOOD, kept=False), "no evidence"),
        (replace(GOOD, returned=True), "ran again"),
        (replace(GOOD, at_end=True), "after the heal"),
    ],
)
def test_a_pod_that_returns_is_red(deletion: Deletion, words: str) -> None:
    verdict = judge_deletion(deletion)
    assert any(words in problem for problem in verdict.problems)
