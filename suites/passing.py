"""The end of a test: all of its verdicts must have passed."""

from __future__ import annotations

from collections.abc import Sequence

from edge_lab.fixtures.outcomes import NoEvidence
from edge_lab.oracles.verdict import NO_EVIDENCE, Judged


def all_passed(verdicts: Sequence[Judged]) -> None:
    """Fails the test if any verdict has not passed, or if there are none; by `NoEvidence` if none
    shows that the product fails."""
    if not verdicts:
        raise NoEvidence("nothing was judged")
    failed = [verdict for verdict in verdicts if not verdict.passed]
    text = "\n".join(map(str, failed))
    if failed and all(verdict.shows_nothing for verdict in failed):
        raise NoEvidence(text)
    assert not failed, text


def nothing_wrong(problem: str) -> None:
    """Fails the test if there is a problem; by `NoEvidence` if it shows nothing."""
    if problem.startswith(NO_EVIDENCE):
        raise NoEvidence(problem)
    assert not problem, problem
