"""`lab flaky`: tests that changed their outcome on one revision, over the results of many runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from edge_lab.cli.common import AsJson, out, print_json
from edge_lab.cli.outputs import check_file, write_file
from edge_lab.cli.render import plain_table

if TYPE_CHECKING:
    from edge_lab.report.flaky import FlakyReport, Rate, TestHistory


def flaky(
    places: Annotated[
        list[Path],
        typer.Argument(
            metavar="DIR", help="Folders with Allure results, one for each run, at any depth."
        ),
    ],
    same_revision: Annotated[
        bool,
        typer.Option("--same-revision", help="Treat all runs as runs of one revision."),
    ] = False,
    every: Annotated[bool, typer.Option("--all", help="Show stable tests as well.")] = False,
    as_json: AsJson = False,
    html: Annotated[
        Path | None, typer.Option("--html", help="Also write the page to this HTML file.")
    ] = None,
) -> None:
    """Show which tests passed and failed on the same revision, and how often."""
    from edge_lab.report.allureruns import read_runs
    from edge_lab.report.flaky import flaky_report, shown
    from edge_lab.report.flakypage import flaky_html

    if html is not None:
        check_file(html, "--html")
    report = flaky_report(read_runs(*places), same_revision=same_revision)
    tests = shown(report, every=every)
    if as_json:
        print_json(_data(report, tests))
    else:
        _print(report, tests)
    if html is not None:
        write_file(html, flaky_html(report, every=every), "--html")


def _print(report: FlakyReport, tests: tuple[TestHistory, ...]) -> None:
    from edge_lab.report.flaky import short

    if tests:
        table = plain_table("flaky tests", "test", "stack", "failed", "lab errors", "changed on")
        for test in tests:
            rates = (str(test.failures), str(test.lab_errors), escape(short(test.changed_on)))
            table.add_row(escape(test.name), escape(test.stack), *rates)
        out.print(table)
    out.print(
        f"{len(report.flaky)} of {len(report.tests)} tests changed their outcome on one revision, "
        f"in {report.runs} runs",
        highlight=False,
        soft_wrap=True,
    )
    if report.without_revision:
        out.print(
            f"{report.without_revision} runs do not tell of what revision they are, and were not "
            "compared (--same-revision treats all as one revision)",
            style="yellow",
            highlight=False,
            soft_wrap=True,
        )


def _data(report: FlakyReport, tests: tuple[TestHistory, ...]) -> dict[str, Any]:
    return {
        "runs": report.runs,
        "without_revision": report.without_revision,
        "flaky": len(report.flaky),
        "tests": [
            {
                "name": test.name,
                "stack": test.stack,
                "changed_on": test.changed_on,
                "failures": _rate(test.failures),
                "lab_errors": _rate(test.lab_errors),
                "reasons": test.reasons,
                "runs": [
                    {
                        "folder": sight.run,
                        "revision": sight.revision,
                        "outcome": sight.outcome.value,
                    }
                    for sight in test.sights
                ],
            }
            for test in tests
        ],
    }


def _rate(rate: Rate) -> dict[str, Any]:
    low, high = rate.interval
    return {"count": rate.count, "of": rate.tries, "low": round(low, 4), "high": round(high, 4)}
