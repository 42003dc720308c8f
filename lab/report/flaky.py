"""Tests that changed their outcome on one revision, over many runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edge_lab.measuring.proportion import wilson
from edge_lab.report.allureruns import AllureRun
from edge_lab.report.runs import Outcome

_FAILED = (Outcome.FAILED, Outcome.BROKEN_TEST, Outcome.KNOWN)
_JUDGED = (Outcome.PASSED, *_FAILED)


@dataclass(frozen=True)
class Sight:
    """The outcome of a test in one run."""

    run: str
    """Its folder."""
    revision: str
    started: float
    outcome: Outcome
    reason: str


@dataclass(frozen=True)
class Rate:
    """A frequency, with Wilson's interval of 95 %."""

    count: int
    tries: int

    @property
    def share(self) -> float:
        return self.count / self.tries if self.tries else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        return wilson(self.count, self.tries)

    def __str__(self) -> str:
        if not self.tries:
            return "–"
        low, high = self.interval
        return f"{self.count} of {self.tries}: {self.share:.0%} ({low:.0%}–{high:.0%})"


@dataclass(frozen=True)
class TestHistory:
    """One test on one stack, over all runs, the oldest first."""

    __test__ = False  # for pytest

    name: str
    stack: str
    sights: tuple[Sight, ...]

    @property
    def changed_on(self) -> tuple[str, ...]:
        """Revisions on which it both passed and failed. Runs with lab errors do not count."""
        by_revision: dict[str, set[bool]] = {}
        for sight in self.sights:
            if sight.revision and sight.outcome in _JUDGED:
                by_revision.setdefault(sight.revision, set()).add(sight.outcome in _FAILED)
        return tuple(revision for revision, found in by_revision.items() if len(found) > 1)

    @property
    def is_flaky(self) -> bool:
        return bool(self.changed_on)

    @property
    def failures(self) -> Rate:
        """Failures among the runs that judged it: on revisions on which it changed, if there are
        any."""
        changed = self.changed_on
        judged = [
            sight
            for sight in self.sights
            if sight.outcome in _JUDGED and (not changed or sight.revision in changed)
        ]
        return Rate(sum(sight.outcome in _FAILED for sight in judged), len(judged))

    @property
    def lab_errors(self) -> Rate:
        """Lab errors among all runs in which it began."""
        begun = [sight for sight in self.sights if sight.outcome in (*_JUDGED, Outcome.BROKEN_LAB)]
        return Rate(sum(sight.outcome is Outcome.BROKEN_LAB for sight in begun), len(begun))

    @property
    def reasons(self) -> tuple[str, ...]:
        """The distinct reasons of failures and lab errors."""
        told = (sight.reason for sight in self.sights if sight.outcome is not Outcome.PASSED)
        return tuple(dict.fromkeys(reason for reason in told if reason))


@dataclass(frozen=True)
class FlakyReport:
    """All tests of some runs."""

    runs: int
    without_revision: int
    """Runs that were not compared, since their revision is unknown."""
    tests: tuple[TestHistory, ...]
    """Those that changed first, by how often they failed; then those with lab errors."""

    @property
    def flaky(self) -> tuple[TestHistory, ...]:
        return tuple(test for test in self.tests if test.is_flaky)


def flaky_report(runs: Sequence[AllureRun], *, same_revision: bool = False) -> FlakyReport:
    """The report on `runs`; with `same_revision` all count as of one revision."""
    names: dict[tuple[str, str], str] = {}
    sights: dict[tuple[str, str], list[Sight]] = {}
    for run in runs:
        revision = "one" if same_revision else run.revision
        for result in sorted(run.results, key=lambda test_result: test_result.started):
            key = (result.identity, run.stack)
            names[key] = result.name
            sights.setdefault(key, []).append(
                Sight(str(run.folder), revision, result.started, result.outcome, result.reason)
            )
    tests = [TestHistory(names[key], key[1], tuple(found)) for key, found in sights.items()]
    return FlakyReport(
        runs=len(runs),
        without_revision=0 if same_revision else sum(not run.revision for run in runs),
        tests=tuple(sorted(tests, key=_order)),
    )


def _order(test: TestHistory) -> tuple[bool, float, float, str, str]:
    return (
        not test.is_flaky,
        -test.failures.interval[0] if test.is_flaky else 0.0,
        -test.lab_errors.share,
        test.name,
        test.stack,
    )


def shown(report: FlakyReport, *, every: bool = False) -> tuple[TestHistory, ...]:
    """The tests of a table: flaky ones and those with lab errors; with `every` all tests."""
    if every:
        return report.tests
    return tuple(test for test in report.tests if test.is_flaky or test.lab_errors.count)


def short(revisions: Iterable[str]) -> str:
    """Shortened revisions."""
    return ", ".join(
        f"{name[:9]}{name[name.find('+') :] if '+' in name else ''}" for name in revisions
    )
