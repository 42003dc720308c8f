"""The summary of a run in Markdown, for the page of a CI job: the verdict first.

Text from tests, products and trackers is escaped, so that it is shown verbatim.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Iterator, Sequence

from edge_lab.report.compare import comparison_of
from edge_lab.report.runs import (
    PROBLEMS,
    ExitCode,
    Outcome,
    RunRecord,
    TestRecord,
    exit_code,
)

SHOWN = 50
"""Maximum rows of a table; GitHub accepts 1 MiB per step."""
SLOWEST = 10
LONGEST = 300
"""Maximum characters of a reason."""

_ESCAPED = str.maketrans({sign: f"\\{sign}" for sign in string.punctuation})
_CONTROL = re.compile(r"\x1b\[[0-9;]*[A-Za-z]|[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_LINK = re.compile(r"https?://[A-Za-z0-9._~:/?#@!$&*+,;=%-]+")

VERDICTS = {
    ExitCode.PASSED: "✅ Passed",
    ExitCode.FAILED: "❌ Failed",
    ExitCode.WRONG_INPUT: "⚠️ Wrong input",
    ExitCode.NOTHING_RAN: "⚪ Nothing ran",
    ExitCode.LAB_BROKE: "⚠️ Lab error; no test failed",
    ExitCode.LAB_BROKE_AND_FAILED: "❌ Failed, with lab errors",
}


def escaped(text: str, longest: int = LONGEST) -> str:
    """`text` in one line, escaped for Markdown and HTML."""
    line = " ".join(_CONTROL.sub(" ", text).split())
    if len(line) > longest:
        line = f"{line[: longest - 1]}…"
    return line.translate(_ESCAPED) or "–"


def link(text: str, address: str) -> str:
    """A link if the address needs no escaping; otherwise both as text."""
    if _LINK.fullmatch(address):
        return f"[{escaped(text)}](<{address}>)"
    return escaped(f"{text} ({address})" if text != address else text)


def run_summary(run: RunRecord) -> str:
    """The complete summary."""
    return "\n".join(_lines(run)) + "\n"


def _lines(run: RunRecord) -> Iterator[str]:
    code = exit_code(run.tests)
    yield f"## {VERDICTS[code]}"
    yield ""
    facts = [f"{escaped(name)}: {escaped(value)}" for name, value in run.facts]
    yield " · ".join([f"exit code {int(code)}", *facts, f"{_duration(run.seconds)} in total"])
    yield ""
    yield from _counts(run)
    yield from _failures(run)
    yield from _known(run)
    yield from _restarts(run)
    yield from _measures(run)
    yield from _skips(run)
    yield from _slowest(run)


def _counts(run: RunRecord) -> Iterator[str]:
    expected = run.count(Outcome.KNOWN, Outcome.EXPECTED)
    yield from _table(
        ("passed", "product failures", "lab errors", "missing capabilities", "others"),
        [
            (
                str(run.count(Outcome.PASSED)),
                str(_with(run, Outcome.FAILED)),
                str(_with(run, Outcome.BROKEN_LAB)),
                str(run.count(Outcome.LACKING)),
                f"{expected} expected failures, {_with(run, Outcome.BROKEN_TEST)} test errors, "
                f"{run.count(Outcome.SKIPPED)} other skips",
            )
        ],
    )


def _with(run: RunRecord, outcome: Outcome) -> int:
    """The number of tests with that outcome in some phase."""
    return sum(any(problem.outcome is outcome for problem in test.problems) for test in run.tests)


def _failures(run: RunRecord) -> Iterator[str]:
    failed = [test for test in run.tests if test.problems]
    if not failed:
        return
    failed.sort(key=lambda test: PROBLEMS.index(test.outcome))
    yield "### Failures"
    yield ""
    rows = [
        (
            problem.outcome.value,
            escaped(test.name),
            escaped(f"{problem.phase}: {problem.reason}"),
        )
        for test in failed
        for problem in test.problems
    ]
    yield from _table(("outcome", "test", "reason"), rows)
    kept = [test for test in failed if test.evidence][:SHOWN]
    if kept or run.kept:
        yield "<details><summary>Evidence</summary>"
        yield ""
        if run.kept:
            yield f"- logs and consoles of the lab: {escaped(run.kept, 500)}"
        for test in kept:
            names = ", ".join(map(escaped, test.evidence))
            yield f"- {escaped(test.name)}: {names}"
        yield ""
        yield "</details>"
        yield ""


def _known(run: RunRecord) -> Iterator[str]:
    known = [(test.known, test) for test in run.tests if test.known]
    if not known:
        return
    known.sort(key=lambda entry: (not entry[0].expired, entry[0].look_again, entry[1].name))
    yield "### Known failures"
    yield ""
    rows = [
        (
            f"**expired** {failure.look_again}" if failure.expired else str(failure.look_again),
            escaped(test.name),
            _became(test),
            link(failure.tracker, failure.tracker),
            escaped(failure.seen),
        )
        for failure, test in known
    ]
    yield from _table(("look again", "test", "this run", "tracker", "observed"), rows)


def _became(test: TestRecord) -> str:
    return "failed as known" if test.outcome is Outcome.KNOWN else test.outcome.value


def _restarts(run: RunRecord) -> Iterator[str]:
    if run.restarts:
        which = ", ".join(map(escaped, run.restarts))
        yield f"**Emulation restarts: {len(run.restarts)}** ({which})"
        yield ""


def _measures(run: RunRecord) -> Iterator[str]:
    if not run.cells:
        return
    rows = [
        (
            escaped(row.scenario),
            escaped(cell.runtime),
            escaped(runs.node),
            escaped(line.title),
            escaped(line.whole),
        )
        for row in comparison_of(run.cells).rows
        for cell in row.cells
        for runs in cell.nodes
        for line in runs.lines
    ]
    yield "### Measures"
    yield ""
    yield from _table(("scenario", "runtime", "node", "measure", "value"), rows)


def _skips(run: RunRecord) -> Iterator[str]:
    reasons: dict[str, int] = {}
    for test in run.tests:
        if test.outcome in (Outcome.LACKING, Outcome.SKIPPED, Outcome.EXPECTED):
            reason = f"{test.outcome.value}: {test.reason}"
            reasons[reason] = reasons.get(reason, 0) + 1
    if reasons:
        yield f"<details><summary>Not judged: {sum(reasons.values())} tests</summary>"
        yield ""
        rows = [(str(count), escaped(reason)) for reason, count in sorted(reasons.items())]
        yield from _table(("tests", "reason"), rows)
        yield "</details>"
        yield ""


def _slowest(run: RunRecord) -> Iterator[str]:
    slow = sorted(run.tests, key=lambda test: test.seconds, reverse=True)[:SLOWEST]
    if slow:
        yield "<details><summary>Slowest tests</summary>"
        yield ""
        rows = [(_duration(test.seconds), escaped(test.name)) for test in slow]
        yield from _table(("time", "test"), rows)
        yield "</details>"
        yield ""


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield _row(heads)
    yield _row("---" for _ in heads)
    yield from map(_row, rows[:SHOWN])
    yield ""
    if len(rows) > SHOWN:
        yield f"… and {len(rows) - SHOWN} more"
        yield ""


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"
