"""One run of tests as data: the outcome of each, by cause."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge_lab.report.cells import CellRecord


class Outcome(StrEnum):
    """The outcome of a test."""

    PASSED = "passed"
    FAILED = "product failure"
    """A failed assertion."""
    BROKEN_LAB = "lab error"
    """A LabError, or an InputError, for an invalid request."""
    BROKEN_TEST = "test error"
    """Any other exception."""
    KNOWN = "known failure"
    """An expected failure that a tracker knows, not yet expired."""
    EXPECTED = "expected failure"
    """A skip for another reason, such as a missing capability."""
    LACKING = "missing capability"
    SKIPPED = "skipped"


BROKEN_LAB_MESSAGE = r"[\s\S]*\bedge_lab\.[a-z_.]+[A-Z]\w+: [\s\S]*"
"""A regular expression for the whole message of a lab error in Allure's results: the full name of
the exception begins with its module, which is one of ours."""
LACKING_MESSAGE = r"[\s\S]*missing capability[\s\S]*"

PROBLEMS = (Outcome.FAILED, Outcome.BROKEN_LAB, Outcome.BROKEN_TEST)
"""The outcomes that fail a run, the worst first."""
_DID_NOT_RUN = (Outcome.LACKING, Outcome.SKIPPED)


class ExitCode(IntEnum):
    """Exit codes of a run, which extend pytest's; see docs/ci.md."""

    PASSED = 0
    FAILED = 1
    """Like pytest's: a test failed, without lab errors."""
    WRONG_INPUT = 4
    """Like pytest's: an invalid request, and nothing else went wrong."""
    NOTHING_RAN = 5
    """Like pytest's: there was no test, or all were skipped."""
    LAB_BROKE = 10
    """A LabError, and no test failed: the run says nothing about the product."""
    LAB_BROKE_AND_FAILED = 11
    """A LabError, and a test failed as well."""


@dataclass(frozen=True)
class Problem:
    """A failure or error in one phase of a test."""

    outcome: Outcome
    phase: str
    """setup, call or teardown."""
    reason: str
    """The first line of the message."""
    is_input: bool = False
    """Whether it is an InputError."""


@dataclass(frozen=True)
class Known:
    """A known failure of the product, with its tracker link."""

    tracker: str
    look_again: date
    """The day from which it is no longer expected."""
    seen: str
    expired: bool
    """Whether it had expired when the test ran."""


@dataclass(frozen=True)
class TestRecord:
    """One test of a run."""

    __test__ = False  # for pytest

    name: str
    outcome: Outcome
    reason: str = ""
    """The reason of a skip or an expected failure."""
    problems: tuple[Problem, ...] = ()
    seconds: float = 0.0
    """The duration of all its phases."""
    evidence: tuple[str, ...] = ()
    """Names of the evidence kept in the report."""
    known: Known | None = None


@dataclass(frozen=True)
class RunRecord:
    """A run."""

    tests: tuple[TestRecord, ...] = ()
    cells: tuple[CellRecord, ...] = ()
    """The measures of the tests."""
    restarts: tuple[str, ...] = ()
    """Machines that the lab restarted because their emulation failed, with the reason."""
    seconds: float = 0.0
    facts: tuple[tuple[str, str], ...] = field(default=())
    """Facts for the head of a summary, such as the stack."""
    kept: str = ""
    """Folder with logs and consoles of the lab."""

    def count(self, *outcomes: Outcome) -> int:
        return sum(test.outcome in outcomes for test in self.tests)

    @property
    def problems(self) -> tuple[Problem, ...]:
        return tuple(problem for test in self.tests for problem in test.problems)


def exit_code(tests: Sequence[TestRecord]) -> ExitCode:
    """The exit code of a run of these tests that was not interrupted."""
    problems = [problem for test in tests for problem in test.problems]
    lab = [problem for problem in problems if problem.outcome is Outcome.BROKEN_LAB]
    failed = len(lab) < len(problems)
    if any(not problem.is_input for problem in lab):
        return ExitCode.LAB_BROKE_AND_FAILED if failed else ExitCode.LAB_BROKE
    if failed:
        return ExitCode.FAILED
    if lab:
        return ExitCode.WRONG_INPUT
    return ExitCode.NOTHING_RAN if _nothing_ran(tests) else ExitCode.PASSED


def _nothing_ran(tests: Iterable[TestRecord]) -> bool:
    return all(test.outcome in _DID_NOT_RUN for test in tests)


def worst(problems: Sequence[Problem]) -> Outcome:
    """The outcome of a test with these problems, of which there is at least one."""
    return min((problem.outcome for problem in problems), key=PROBLEMS.index)
