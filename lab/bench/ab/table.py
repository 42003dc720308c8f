"""A comparison on a terminal."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.markup import escape
from rich.table import Table

from edge_lab.bench.ab.comparing import Comparison, Row
from edge_lab.bench.ab.judging import CONFIDENCE, Outcome
from edge_lab.bench.ab.sides import Source
from edge_lab.measuring.measures import NOTHING, number_text

_COLOURS = {Outcome.FASTER: "green", Outcome.SLOWER: "red", Outcome.NO_DIFFERENCE: "dim"}


def comparison_table(comparison: Comparison, gate: float | None) -> RenderableType:
    """A line a figure."""
    table = Table(
        title=f"A: {_title(comparison.a)}\nB: {_title(comparison.b)}",
        title_justify="left",
        caption=f"B beside A, in time: above 1, B is slower. All intervals hold with "
        f"{CONFIDENCE:.0%} confidence.",
        caption_justify="left",
        header_style="dim",
        box=SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1),
    )
    for name in ("figure", "unit", "A", "B", "B / A", "interval", "verdict"):
        table.add_column(name, justify="right" if name in ("A", "B", "B / A") else "left")
    for row in comparison.rows:
        table.add_row(*_cells(row, gate))
    return table


def _title(source: Source) -> str:
    return escape(source.side.text + (f" ({source.commit[:12]})" if source.commit else ""))


def _cells(row: Row, gate: float | None) -> tuple[str, ...]:
    figure, judged = row.series.figure, row.judged
    head = (escape(figure.name), escape(figure.unit))
    if judged is None:
        return (*head, *[NOTHING] * 4, f"[dim]not measured on A: {escape(row.series.failed)}[/]")
    said = str(judged)
    if gate is not None and judged.exceeds(gate):
        said += f", and over {gate:g}"
    colour = _COLOURS[judged.outcome]
    return (
        *head,
        number_text(judged.a),
        number_text(judged.b),
        f"{judged.ratio:.2f}",
        f"{judged.low:.2f} to {judged.high:.2f}",
        f"[{colour}]{said}[/]",
    )
