"""Figures of a sandbox beside those without: pairs, their ratio, and the controls."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_lab.core.errors import LabError
from edge_lab.measuring.measures import Better
from edge_lab.oracles.sandbox.figures import (
    CONTROL_CONFIDENCE,
    CostFigure,
    Figure,
    cost,
    parse_bench,
)
from edge_lab.report.cells import CellRecord
from edge_lab.report.compare import comparison_html, comparison_of
from tests.budget import examples

SAID = {
    "ok": True,
    "connect_s": 0.01,
    "read_s": [0.004, 0.002, 0.003],
    "samples": 50,
    "samples_s": 2.5,
}


def test_a_record_has_the_median_of_its_reads_and_its_rate() -> None:
    record = parse_bench(json.dumps(SAID))
    assert (record.read, record.rate) == (0.003, 20.0)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "command terminated with exit code 2",
        "[]",
        json.dumps({**SAID, "read_s": ["NaN"]}),
        json.dumps({**SAID, "samples": -1}),
        '{"ok": true, "connect_s": Infinity, "read_s": [], "samples": 1, "samples_s": 1}',
    ],
)
def test_what_is_no_record_is_an_error_of_the_lab(text: str) -> None:
    with pytest.raises(LabError):
        parse_bench(text)


@settings(max_examples=examples(100))
@given(st.text(max_size=60) | st.recursive(st.none() | st.integers(), st.lists).map(json.dumps))
def test_whatever_is_printed_is_a_record_or_an_error_of_the_lab(text: str) -> None:
    with pytest.raises(LabError):
        parse_bench(text)


def test_without_samples_or_reads_there_is_no_figure() -> None:
    nothing = parse_bench(json.dumps({**SAID, "samples": 0, "read_s": []}))
    with pytest.raises(LabError):
        _ = nothing.rate
    with pytest.raises(LabError):
        _ = nothing.read


def pairs(factor: float, count: int, seed: int) -> CostFigure:
    """Reads of pods that take turns on a host whose load doubles meanwhile."""
    dice = np.random.default_rng(seed)
    drift = np.linspace(1, 2, count)
    base, other = (
        (scale * 5 * drift * dice.lognormal(0, 0.15, count)).tolist() for scale in (1, factor)
    )
    return cost(Figure.READ, ("runc", base), ("gvisor", other), CONTROL_CONFIDENCE)


def test_the_controls_come_out_as_the_suite_wants_them() -> None:
    """At its number of pairs: like pods pass always but once in a thousand, planted ones fail."""
    like = sum(pairs(1.0, 8, seed).ratio.significant for seed in range(300))
    assert like <= 3
    assert all(pairs(10.0, 8, seed).ratio.significant for seed in range(300))


def test_a_slowdown_is_significant_with_twenty_pairs() -> None:
    ratio = pairs(1.5, 20, 1).ratio
    assert ratio.significant
    assert ratio.interval is not None
    assert ratio.interval.low < 1.5 < ratio.interval.high


def test_measures_have_both_sides_the_ratio_and_its_interval() -> None:
    figure = cost(Figure.RATE, ("runc", [40.0, 44.0]), ("gvisor", [20.0, 21.0]))
    measures = {measure.name: measure for measure in figure.measures("edge-arm")}
    assert len(measures) == len(figure.measures("edge-arm"))
    assert measures["samples_per_second_runc_p50"].value == 40.0
    assert measures["samples_per_second_gvisor_to_runc"].value == pytest.approx(0.488, abs=0.001)
    assert measures["samples_per_second_gvisor_to_runc_pairs"].value == 2
    assert figure.ratio.interval is not None
    assert measures["samples_per_second_gvisor_to_runc_95_to"].value == figure.ratio.interval.high
    assert {measure.better for measure in measures.values()} == {Better.HIGHER, Better.NEITHER}


def test_runtimes_stand_beside_one_another_in_the_comparison() -> None:
    figure = cost(Figure.START, ("runc", [9.0, 10.0]), ("gvisor", [12.0, 13.0]))
    cells = [
        CellRecord(
            scenario="cost of a sandbox",
            runtime=runtime,
            node="edge-arm",
            measures=figure.measures("edge-arm"),
            passed=None,
        )
        for runtime in ("kubernetes+kubelet", "kubernetes+kubelet (gvisor)")
    ]
    comparison = comparison_of(cells)
    assert comparison.columns == ("kubernetes+kubelet", "kubernetes+kubelet (gvisor)")
    page = comparison_html(comparison)
    assert "pod start, gvisor to runc" in page
    assert "95 % from" in page


def test_values_that_are_no_pairs_are_no_figure() -> None:
    with pytest.raises(LabError):
        cost(Figure.MEMORY, ("runc", [1.0, 2.0]), ("gvisor", [1.0]))
