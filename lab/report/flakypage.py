"""The page of flaky tests, without scripts or external resources."""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape

from edge_lab.report.flaky import FlakyReport, Rate, Sight, TestHistory, short, shown
from edge_lab.report.plainpage import plain_page
from edge_lab.report.runs import Outcome

MOST = 60
"""Maximum runs shown for a test, the newest."""

_COLOURS = {
    Outcome.PASSED: "#2f855a",
    Outcome.FAILED: "#c53030",
    Outcome.BROKEN_TEST: "#97266d",
    Outcome.KNOWN: "#dd8a6b",
    Outcome.BROKEN_LAB: "#d69e2e",
    Outcome.LACKING: "#e2e8f0",
    Outcome.SKIPPED: "#e2e8f0",
    Outcome.EXPECTED: "#e2e8f0",
}
_STYLE = """
th[scope=row] { min-width: 260px; white-space: normal; overflow-wrap: anywhere; }
th small { display: block; color: #6b7785; font-weight: normal; }
td.runs { text-align: left; white-space: normal; max-width: 420px; line-height: 1; }
td.why { text-align: left; white-space: normal; min-width: 240px; overflow-wrap: anywhere; }
.runs i, .key i { display: inline-block; width: 9px; height: 14px; margin: 0 1px 1px 0; }
.runs i.new { margin-left: 7px; }
.bar { display: block; position: relative; min-width: 110px; height: 9px; margin: 5px 0 2px;
  background: #edf0f3; }
.bar b { position: absolute; top: 0; bottom: 0; background: #f1b3b3; }
.bar u { position: absolute; top: -2px; bottom: -2px; width: 2px; background: #c53030; }
.key span { margin-right: 14px; }
"""
_TITLE = "Flaky tests"


def flaky_html(report: FlakyReport, *, every: bool = False) -> str:
    """The page; `every` adds the tests that never changed."""
    tests = shown(report, every=every)
    flaky = report.flaky
    head = f"{len(flaky)} of {len(report.tests)} tests changed their outcome on the same revision"
    parts = [f"<h2>{_TITLE}</h2>", f"<p>{head}, in {report.runs} runs.</p>"]
    if report.without_revision:
        parts.append(
            f"<p>{report.without_revision} runs have no recorded revision, and were "
            "not compared.</p>"
        )
    if tests:
        parts += [_table(tests), _key()]
    return plain_page(_TITLE, parts, _STYLE)


def _table(tests: tuple[TestHistory, ...]) -> str:
    heads = ("test", "failed", "lab errors", "changed on", "runs, newest last", "reasons")
    head = "".join(f'<th scope="col">{name}</th>' for name in heads)
    rows = "\n".join(map(_row, tests))
    return f"<table><thead><tr>{head}</tr></thead>\n<tbody>{rows}</tbody></table>"


def _row(test: TestHistory) -> str:
    module, _, name = test.name.rpartition("#")
    below = " · ".join(part for part in (module, test.stack) if part)
    reasons = "<br>".join(escape(reason[:200]) for reason in test.reasons[:5])
    return (
        f'<tr><th scope="row">{escape(name)}<small>{escape(below)}</small></th>'
        f"<td>{_rate(test.failures)}</td><td>{_rate(test.lab_errors)}</td>"
        f"<td>{escape(short(test.changed_on))}</td>"
        f'<td class="runs">{_runs(test.sights[-MOST:])}</td><td class="why">{reasons}</td></tr>'
    )


def _rate(rate: Rate) -> str:
    if not rate.tries:
        return "–"
    low, high = rate.interval
    bar = (
        f'<span class="bar"><b style="left:{low:.1%};right:{1 - high:.1%}"></b>'
        f'<u style="left:{rate.share:.1%}"></u></span>'
    )
    return f"{escape(str(rate))}{bar}"


def _runs(sights: tuple[Sight, ...]) -> str:
    """A bar for each run; where the revision changes there is a gap."""
    bars = []
    before = sights[0].revision if sights else ""
    for sight in sights:
        new = ' class="new"' if sight.revision != before else ""
        before = sight.revision
        when = datetime.fromtimestamp(sight.started, UTC).strftime("%Y-%m-%d %H:%M")
        said = f"{sight.outcome.value}, {when}, {short([sight.revision])} in {sight.run}"
        colour = _COLOURS[sight.outcome]
        bars.append(f'<i{new} style="background:{colour}" title="{escape(said)}"></i>')
    return "".join(bars)


def _key() -> str:
    words = {
        Outcome.PASSED: "passed",
        Outcome.FAILED: "product failure",
        Outcome.KNOWN: "expected failure",
        Outcome.BROKEN_TEST: "test error",
        Outcome.BROKEN_LAB: "lab error: no result for the product",
        Outcome.SKIPPED: "skipped",
    }
    keys = "".join(
        f'<span><i style="background:{_COLOURS[outcome]}"></i> {word}</span>'
        for outcome, word in words.items()
    )
    return (
        f'<p class="legend key">{keys}</p><p class="legend">A gap: another revision. Rates: of the '
        "runs that judged the test, on the revisions on which it changed; in brackets, and as a "
        "light bar, the 95 % Wilson interval, which is wide with few runs.</p>"
    )
