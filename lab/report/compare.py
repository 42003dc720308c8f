"""The differential table: the same faults, one column a runtime.

A cell holds all runs of a scenario with a runtime, by node; their figures are shown from
least to most, and red where a run has not passed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape

from pydantic import BaseModel, ConfigDict
from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.markup import escape as plain
from rich.table import Table

from edge_lab.oracles.figures import spread
from edge_lab.report.cells import CellRecord, read_cells

__all__ = [
    "CellRecord",
    "Comparison",
    "NodeRuns",
    "comparison_html",
    "comparison_of",
    "comparison_table",
    "read_cells",
]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class NodeRuns(_Model):
    """All runs of one scenario with one runtime on one node."""

    node: str
    runs: tuple[CellRecord, ...]

    @property
    def passed(self) -> int:
        """So many of the runs."""
        return sum(run.passed for run in self.runs)

    @property
    def good(self) -> bool:
        return self.passed == len(self.runs)

    @property
    def figures(self) -> dict[str, str]:
        """The six, as text, by heading."""
        return spread([run.figures for run in self.runs])

    @property
    def problems(self) -> tuple[str, ...]:
        """Different ones, in the order in which they came."""
        return tuple(dict.fromkeys(problem for run in self.runs for problem in run.problems))


class Cell(_Model):
    """One scenario with one runtime; no nodes if it was not run."""

    runtime: str
    nodes: tuple[NodeRuns, ...]


class Row(_Model):
    scenario: str
    cells: tuple[Cell, ...]
    """One for each column, in the order of the columns."""


class Comparison(_Model):
    """Rows are scenarios, in the order in which they came; columns are runtimes, sorted."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def comparison_of(cells: Iterable[CellRecord]) -> Comparison:
    runs: dict[str, dict[str, dict[str, list[CellRecord]]]] = {}
    runtimes: set[str] = set()
    for each in cells:
        runtimes.add(each.runtime)
        by_runtime = runs.setdefault(each.scenario, {})
        by_runtime.setdefault(each.runtime, {}).setdefault(each.node, []).append(each)
    columns = tuple(sorted(runtimes))
    return Comparison(
        columns=columns,
        rows=tuple(
            Row(
                scenario=scenario,
                cells=tuple(
                    Cell(
                        runtime=runtime,
                        nodes=tuple(
                            NodeRuns(node=node, runs=tuple(found))
                            for node, found in sorted(by_runtime.get(runtime, {}).items())
                        ),
                    )
                    for runtime in columns
                ),
            )
            for scenario, by_runtime in runs.items()
        ),
    )


# -- as HTML ---------------------------------------------------------------------------------

_STYLE = """
body { margin: 12px; background: #fff; color: #1f2933;
  font: 13px/1.45 "DejaVu Sans", Helvetica, Arial, sans-serif; }
table { border-collapse: collapse; }
th, td { border: 1px solid #b8c2cc; padding: 6px 10px; text-align: left; vertical-align: top; }
thead th { background: #dfe5ec; position: sticky; top: 0; }
tbody th { background: #f4f6f8; max-width: 220px; }
.run + .run { border-top: 1px dashed #b8c2cc; margin-top: 6px; padding-top: 6px; }
.run b { color: #2f855a; }
.bad b { color: #c53030; }
.bad { background: #fdecec; box-shadow: 0 0 0 4px #fdecec; }
dl { display: grid; grid-template-columns: auto 1fr; gap: 0 10px; margin: 2px 0 0; }
dt { color: #6b7785; }
dd { margin: 0; white-space: nowrap; }
details { color: #c53030; max-width: 360px; }
.none { color: #6b7785; }
"""


def comparison_html(comparison: Comparison) -> str:
    """A page of its own: no scripts, and nothing is fetched."""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in comparison.columns)
    body = "\n".join(_html_row(row) for row in comparison.rows)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>What the faults did, by runtime</title><style>{_STYLE}</style></head>\n<body>"
        f'<table><thead><tr><th scope="col">fault</th>{head}</tr></thead>\n'
        f"<tbody>{body}</tbody></table></body></html>\n"
    )


def _html_row(row: Row) -> str:
    cells = "".join(
        f"<td>{''.join(map(_html_runs, cell.nodes))}</td>"
        if cell.nodes
        else '<td class="none">not run</td>'
        for cell in row.cells
    )
    return f'<tr><th scope="row">{escape(row.scenario)}</th>{cells}</tr>'


def _html_runs(runs: NodeRuns) -> str:
    figures = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in runs.figures.items()
    )
    problems = "".join(f"<li>{escape(problem)}</li>" for problem in runs.problems)
    why = f"<details><summary>why</summary><ul>{problems}</ul></details>" if problems else ""
    return (
        f'<div class="run{"" if runs.good else " bad"}">{escape(runs.node)} '
        f"<b>{escape(_said(runs))}</b><dl>{figures}</dl>{why}</div>"
    )


def _said(runs: NodeRuns) -> str:
    if len(runs.runs) == 1:
        return "passed" if runs.good else "failed"
    return f"{runs.passed} of {len(runs.runs)} passed"


# -- on a terminal ---------------------------------------------------------------------------


def comparison_table(comparison: Comparison) -> RenderableType:
    """One line a figure, one column a runtime."""
    table = Table(
        title="what the faults did",
        title_justify="left",
        title_style="bold",
        header_style="dim",
        box=SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1),
    )
    for name in ("fault", "node", "", *map(plain, comparison.columns)):
        table.add_column(name)
    for row in comparison.rows:
        nodes = sorted({runs.node for cell in row.cells for runs in cell.nodes})
        for index, node in enumerate(nodes):
            _add_rows(table, row, node, "" if index else row.scenario)
    return table


def _add_rows(table: Table, row: Row, node: str, title: str) -> None:
    columns = [list(_terminal_lines(cell, node)) for cell in row.cells]
    names = [name for name, _ in next(column for column in columns if column)]
    for line, name in enumerate(names):
        table.add_row(
            plain(title) if line == 0 else "",
            plain(node) if line == 0 else "",
            f"[dim]{name}[/]",
            *(column[line][1] if column else "" for column in columns),
            end_section=line == len(names) - 1,
        )


def _terminal_lines(cell: Cell, node: str) -> Iterator[tuple[str, str]]:
    for runs in cell.nodes:
        if runs.node == node:
            colour = "green" if runs.good else "red"
            yield "", f"[{colour}]● {_said(runs)}[/]"
            yield from ((name, plain(text)) for name, text in runs.figures.items())
