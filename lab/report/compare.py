"""The differential table: the same faults, one column a runtime.

A cell has all runs of a scenario with a runtime, by node; their measures are shown as ranges, in
red if a run has not passed.  The measures are those that oracles and tests recorded."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from pydantic import BaseModel, ConfigDict
from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.markup import escape as plain
from rich.table import Table

from edge_lab.measuring.measures import Better
from edge_lab.measuring.spread import Line, spread
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
    def judged(self) -> int:
        """The number of runs with a verdict; others only have measures."""
        return sum(run.passed is not None for run in self.runs)

    @property
    def passed(self) -> int:
        """The number of runs that passed."""
        return sum(run.passed is True for run in self.runs)

    @property
    def good(self) -> bool:
        return self.passed == self.judged

    @property
    def lines(self) -> tuple[Line, ...]:
        """The measures, a line for each heading."""
        return spread(measure for run in self.runs for measure in run.measures)

    @property
    def problems(self) -> tuple[str, ...]:
        """Distinct ones, in order of appearance."""
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
    """Rows are scenarios, in order of appearance; columns are runtimes, sorted."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def comparison_of(cells: Iterable[CellRecord]) -> Comparison:
    runs: dict[str, dict[str, dict[str, list[CellRecord]]]] = {}
    runtimes: set[str] = set()
    for cell in cells:
        runtimes.add(cell.runtime)
        by_runtime = runs.setdefault(cell.scenario, {})
        by_runtime.setdefault(cell.runtime, {}).setdefault(cell.node, []).append(cell)
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
dt { color: #6b7785; white-space: nowrap; }
dt[title] { text-decoration: underline dotted #b8c2cc; cursor: help; }
dd { margin: 0; white-space: nowrap; }
details { color: #c53030; max-width: 360px; }
.run.measured b { color: #6b7785; font-weight: normal; }
.none, .legend { color: #6b7785; }
"""


def comparison_html(comparison: Comparison) -> str:
    """A complete page, without scripts or external resources."""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in comparison.columns)
    body = "\n".join(_html_row(row) for row in comparison.rows)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>Verdicts and measures by runtime</title><style>{_STYLE}</style></head>\n<body>"
        f'<table><thead><tr><th scope="col">scenario</th>{head}</tr></thead>\n'
        f"<tbody>{body}</tbody></table>{_html_legend(comparison)}</body></html>\n"
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
    lines = "".join(map(_html_line, runs.lines))
    problems = "".join(f"<li>{escape(problem)}</li>" for problem in runs.problems)
    why = f"<details><summary>why</summary><ul>{problems}</ul></details>" if problems else ""
    kind = "" if runs.judged and runs.good else " bad" if runs.judged else " measured"
    return (
        f'<div class="run{kind}">{escape(runs.node)} '
        f"<b>{escape(_said(runs))}</b><dl>{lines}</dl>{why}</div>"
    )


def _html_line(line: Line) -> str:
    hint = f' title="{escape(line.hint)}"' if line.hint else ""
    return f"<dt{hint}>{escape(line.title)}</dt><dd>{escape(line.text)}</dd>"


def _html_legend(comparison: Comparison) -> str:
    legend = _legend(comparison)
    return f'<p class="legend">{escape(legend)}</p>' if legend else ""


def _legend(comparison: Comparison) -> str:
    """The legend of the arrows in the table; empty if there are none."""
    ways = {
        line.better
        for row in comparison.rows
        for cell in row.cells
        for runs in cell.nodes
        for line in runs.lines
    }
    shown = (way for way in Better if way.sign and way in ways)
    return ", ".join(f"{way.sign} {way.value} is better" for way in shown)


def _said(runs: NodeRuns) -> str:
    if not runs.judged:
        return "measured"
    if runs.judged == 1:
        return "passed" if runs.good else "failed"
    return f"{runs.passed} of {runs.judged} passed"


# -- on a terminal ---------------------------------------------------------------------------


def comparison_table(comparison: Comparison) -> RenderableType:
    """One line for each heading, one column for each runtime."""
    table = Table(
        title="verdicts and measures",
        title_justify="left",
        title_style="bold",
        caption=_legend(comparison) or None,
        caption_justify="left",
        header_style="dim",
        box=SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1),
    )
    for name in ("scenario", "node", "", *map(plain, comparison.columns)):
        table.add_column(name)
    for row in comparison.rows:
        nodes = sorted({runs.node for cell in row.cells for runs in cell.nodes})
        for index, node in enumerate(nodes):
            _add_rows(table, row, node, "" if index else row.scenario)
    return table


def _add_rows(table: Table, row: Row, node: str, scenario: str) -> None:
    """The lines of one node: whether it passed, then its measures, which may differ by column."""
    columns = [next((runs for runs in cell.nodes if runs.node == node), None) for cell in row.cells]
    lines = [{line.title: line for line in runs.lines} if runs else {} for runs in columns]
    titles = list(dict.fromkeys(title for column in lines for title in column))
    said = ("" if runs is None else _coloured(runs) for runs in columns)
    table.add_row(plain(scenario), plain(node), "", *said, end_section=not titles)
    for title in titles:
        texts = (plain(column[title].text) if title in column else "" for column in lines)
        last = title == titles[-1]
        table.add_row("", "", f"[dim]{plain(title)}[/]", *texts, end_section=last)


def _coloured(runs: NodeRuns) -> str:
    colour = "dim" if not runs.judged else "green" if runs.good else "red"
    return f"[{colour}]● {_said(runs)}[/]"
