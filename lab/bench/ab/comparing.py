"""A comparison of two sides: settings and results, as data."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edge_lab.bench.ab.benchmarks import Benchmark
from edge_lab.bench.ab.interleave import Series, Take, measure, taking
from edge_lab.bench.ab.judging import CONFIDENCE, Judged, judge
from edge_lab.bench.ab.sides import Side, Source, checked_out
from edge_lab.core.step import step


@dataclass(frozen=True)
class Row:
    """One figure of both sides."""

    series: Series
    judged: Judged | None
    """None if it could not be measured on A."""

    def exceeds(self, times: float) -> bool:
        return self.judged is not None and self.judged.exceeds(times)


@dataclass(frozen=True)
class Comparison:
    a: Source
    b: Source
    rows: tuple[Row, ...]
    repeated: bool = False
    """Whether it is the second run, after one that exceeded the gate."""

    @property
    def reasons(self) -> tuple[str, ...]:
        """The reason why there is no evidence; empty if there is."""
        if any(row.judged is not None for row in self.rows):
            return ()
        return tuple(dict.fromkeys(row.series.failed for row in self.rows))

    def over(self, gate: float) -> tuple[Row, ...]:
        """Figures that are, with confidence, more than `gate` times as slow on B as on A."""
        return tuple(row for row in self.rows if row.exceeds(gate))


def compare(
    sides: tuple[Side, Side],
    benchmarks: Sequence[Benchmark],
    blocks: int,
    gate: float | None = None,
    take: Take | None = None,
) -> Comparison:
    """Measures both sides; figures that exceed `gate` are measured again, and the second run
    counts.

    Raises:
        InputError: a side is not a checkout.
        LabError: a benchmark fails on B, or lacks a figure there that A has.
    """
    with contextlib.ExitStack() as undo:
        a, b = (undo.enter_context(checked_out(side)) for side in sides)

        def run(wanted: Sequence[Benchmark]) -> tuple[Row, ...]:
            series = measure((a, b), wanted, blocks, take or taking(wanted))
            return tuple(_row(each_series, series) for each_series in series)

        found = Comparison(a, b, run(benchmarks))
        if gate is None or not (over := found.over(gate)):
            return found
        names = {row.series.benchmark for row in over}
        with step(f"over the gate, so measured again: {', '.join(sorted(names))}"):
            again = run([benchmark for benchmark in benchmarks if benchmark.name in names])
        newer = {
            (row.series.benchmark, row.series.figure.name): row
            for row in again
            if row.judged is not None
        }
        rows = tuple(
            newer.get((row.series.benchmark, row.series.figure.name), row) for row in found.rows
        )
        return Comparison(a, b, rows, repeated=True)


def _row(series: Series, beside: Sequence[Series]) -> Row:
    if series.failed:
        return Row(series, None)
    figures = sum(not other.failed for other in beside)
    return Row(series, judge(series.blocks, series.figure.better, figures))


def as_data(comparison: Comparison, gate: float | None) -> dict[str, Any]:
    """As JSON data, with all values, so that it can be judged again."""
    return {
        "format": 1,
        "a": _side(comparison.a),
        "b": _side(comparison.b),
        "confidence": CONFIDENCE,
        "gate": gate,
        "repeated": comparison.repeated,
        "exceeds_gate": gate is not None and bool(comparison.over(gate)),
        "figures": [_figure(row) for row in comparison.rows],
    }


def _side(source: Source) -> dict[str, Any]:
    side = source.side
    return {
        "given": side.text,
        "commit": source.commit or None,
        "topology": str(side.topology) if side.topology else None,
        "stack": side.stack,
        "environment": dict(side.environment),
    }


def _figure(row: Row) -> dict[str, Any]:
    series, judged = row.series, row.judged
    data: dict[str, Any] = {
        "benchmark": series.benchmark,
        "figure": series.figure.name,
        "unit": series.figure.unit,
        "better": series.figure.better.value,
        "blocks": [{"a": block.a, "b": block.b} for block in series.blocks],
    }
    if judged is None:
        return {**data, "outcome": None, "reason": series.failed}
    return {
        **data,
        "outcome": judged.outcome.value,
        "a": judged.a,
        "b": judged.b,
        "time_ratio": {"value": judged.ratio, "low": judged.low, "high": judged.high},
    }
