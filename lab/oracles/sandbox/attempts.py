"""The verdict on what a hostile pod reached, compared with what is declared for its setting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from edge_lab.addons.hostile.settings import Setting
from edge_lab.oracles.sandbox.counts import counted
from edge_lab.oracles.sandbox.expected import Expected, Row
from edge_lab.oracles.sandbox.records import AttemptRecord, AttemptRun, Ended
from edge_lab.oracles.verdict import Verdict


class Finding(StrEnum):
    """The result of one attempt against the expectation."""

    PASS = "pass"  # noqa: S105 - no password
    REACHED = "reached"
    """And should not have been."""
    REFUSED = "refused"
    """Should have been reached: a control failed, or the setting is not what it claims to be."""
    WRONG_REASON = "wrong reason"
    """Refused, but not by what is declared."""
    NO_EVIDENCE = "no evidence"


@dataclass(frozen=True)
class JudgedAttempt:
    """One attempt in one setting on one node."""

    attempt: str
    title: str
    setting: Setting
    node: str
    record: AttemptRecord | None
    """None if the attempt was not made."""
    expected: Expected
    finding: Finding

    @property
    def passed(self) -> bool:
        return self.finding is Finding.PASS

    @property
    def shown(self) -> str:
        """The result in a word or two."""
        return self.record.shown if self.record else "not tried"

    def __str__(self) -> str:
        return (
            f"{self.attempt} in a pod with {self.setting}: {self.shown}; "
            f"expected: {self.expected}: {self.finding}"
        )


@dataclass(frozen=True)
class AttemptsVerdict(Verdict):
    """The verdict on all attempts of one pod."""

    judged: tuple[JudgedAttempt, ...] = ()


def judge_attempts(
    node: str,
    runtime: str,
    setting: Setting,
    run: AttemptRun,
    declared: Mapping[str, Row],
) -> AttemptsVerdict:
    """The verdict on one pod's attempts by their declared rows.

    A declared attempt that was not made is missing evidence, and so is one whose process died
    before it reported.
    """
    by_name = {record.attempt: record for record in run.records}
    judged = [
        _judged(name, row, setting, node, by_name.get(name))
        for name, row in declared.items()
        if setting in row.expects
    ]
    problems = [str(attempt) for attempt in judged if not attempt.passed]
    problems += [
        f"no expectation is declared for {name} in a pod with {setting}: {record.shown}"
        for name, record in by_name.items()
        if name not in declared or setting not in declared[name].expects
    ]
    if not run.complete:
        problems.append("no evidence: the pod did not report that it had finished")
    if not judged:
        problems.append("no evidence: nothing is declared")
    evidence = (f"{len(run.records)} attempts of a pod with {setting}",)
    measures = counted(
        [attempt.finding for attempt in judged],
        Finding.PASS,
        what="hostile attempts",
        node=node,
        evidence="the pod's record of each attempt, and what is declared",
    )
    return AttemptsVerdict(node, runtime, tuple(problems), measures, evidence, tuple(judged))


def _judged(
    name: str, row: Row, setting: Setting, node: str, record: AttemptRecord | None
) -> JudgedAttempt:
    expected = row.expects[setting]
    findings = [_finding(record, outcome) for outcome in expected]
    best = next((finding for finding in findings if finding is Finding.PASS), findings[0])
    return JudgedAttempt(name, row.title, setting, node, record, expected, best)


def _finding(record: AttemptRecord | None, expected: Expected) -> Finding:
    if record is None or record.ended is not Ended.ANSWERED:
        return Finding.NO_EVIDENCE
    if record.reached:
        return Finding.PASS if expected.reached else Finding.REACHED
    if expected.reached:
        return Finding.REFUSED
    return Finding.PASS if record.refusal in expected.refusals else Finding.WRONG_REASON
