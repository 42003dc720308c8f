"""`lab compare`: the table that compares runtimes, from the verdicts and measures of suites."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from edge_lab.cli.common import AsJson, out
from edge_lab.cli.outputs import check_file, write_file


def compare(
    places: Annotated[
        list[Path], typer.Argument(metavar="FOLDER|FILE", help="Results of test runs.")
    ],
    as_json: AsJson = False,
    html: Annotated[
        Path | None, typer.Option("--html", help="Also write the table to this HTML file.")
    ] = None,
) -> None:
    """Compare verdicts and measures of the same scenarios on different runtimes."""
    from edge_lab.report.compare import comparison_html, comparison_of, comparison_table, read_cells

    if html is not None:
        check_file(html, "--html")
    comparison = comparison_of(read_cells(*places))
    if as_json:
        sys.stdout.write(comparison.model_dump_json(indent=2) + "\n")
    else:
        out.print(comparison_table(comparison))
    if html is not None:
        write_file(html, comparison_html(comparison), "--html")
