"""Two sides turn about, without processes: what is measured, repeated, and let through a gate."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from rich.console import Console

from edge_lab.bench.ab.benchmarks import BENCHMARKS, HOT_PATHS, Needs, chosen
from edge_lab.bench.ab.comparing import Comparison, as_data, compare
from edge_lab.bench.ab.interleave import Turn
from edge_lab.bench.ab.judging import Outcome
from edge_lab.bench.ab.sides import Side, Source
from edge_lab.bench.ab.table import comparison_table
from edge_lab.core.errors import InputError, LabError

ROOT = Path(__file__).resolve().parents[2]
A, B = Side("a", checkout=str(ROOT)), Side("b", checkout=str(ROOT))
TWO = chosen(["plan", "fabric-flood"])


class Fake:
    """Takes turns without a process. Values are around 100, times what is planted of side b."""

    def __init__(self, b: Callable[[int], Mapping[str, float]] = lambda _: {}) -> None:
        self.turns: list[str] = []
        self.failed: dict[str, dict[str, str]] = {"a": {}, "b": {}}
        self._b = b
        self._noise = random.Random(1)

    def __call__(self, source: Source) -> Turn:
        text = source.side.text
        self.turns.append(text)
        planted = self._b(len(self.turns)) if text == "b" else {}
        names = [name for name in ("plan", "fabric-flood") if name not in self.failed[text]]
        return Turn(
            {name: planted.get(name, 1.0) * self._noise.uniform(98, 102) for name in names},
            self.failed[text],
        )


def compared(take: Fake, gate: float | None = None, blocks: int = 4) -> Comparison:
    return compare((A, B), TWO, blocks, gate, take)


def outcomes(comparison: Comparison) -> dict[str, Outcome | None]:
    return {
        row.series.figure.name: row.judged.outcome if row.judged else None
        for row in comparison.rows
    }


def test_turns_are_interleaved_after_a_warm_up() -> None:
    take = Fake()
    compared(take, blocks=2)
    assert "".join(take.turns) == "ab" + "abba" + "baab"


def test_a_side_does_not_differ_from_itself() -> None:
    found = compared(Fake(), gate=1.25)
    assert set(outcomes(found).values()) == {Outcome.NO_DIFFERENCE}
    assert not found.repeated
    assert found.over(1.0) == ()


def test_a_planted_slowdown_is_slower_and_a_speed_up_faster() -> None:
    found = compared(Fake(lambda _: {"plan": 1.5, "fabric-flood": 1.5}))
    assert outcomes(found) == {"plan": Outcome.SLOWER, "fabric-flood": Outcome.FASTER}
    assert [row.series.figure.name for row in found.over(1.25)] == ["plan"]


def test_what_is_over_the_gate_is_measured_once_more() -> None:
    take = Fake(lambda _: {"plan": 1.5})
    found = compared(take, gate=1.25)
    assert found.repeated
    assert len(take.turns) == 2 * (2 + 4 * 4)
    assert [row.series.figure.name for row in found.over(1.25)] == ["plan"]


def test_what_is_over_the_gate_only_once_passes() -> None:
    found = compared(Fake(lambda turn: {"plan": 1.5 if turn <= 18 else 1.0}), gate=1.25)
    assert found.repeated
    assert found.over(1.25) == ()


def test_a_slowdown_below_the_gate_is_told_and_let_through() -> None:
    found = compared(Fake(lambda _: {"plan": 1.15}), gate=1.25)
    assert outcomes(found)["plan"] is Outcome.SLOWER
    assert not found.repeated
    assert found.over(1.25) == ()


def test_what_only_the_older_side_cannot_measure_is_named_and_nothing_else_is_lost() -> None:
    take = Fake()
    take.failed["a"] = {"plan": "ImportError: planted"}
    found = compared(take, gate=1.25)
    assert outcomes(found) == {"plan": None, "fabric-flood": Outcome.NO_DIFFERENCE}
    assert found.over(1.0) == ()


def test_what_the_newer_side_cannot_measure_is_an_error() -> None:
    take = Fake()
    take.failed["b"] = {"plan": "ImportError: planted"}
    with pytest.raises(LabError, match="planted"):
        compared(take)


@pytest.mark.parametrize("since", [1, 7])
def test_a_figure_that_only_the_older_side_has_is_an_error_of_the_newer(since: int) -> None:
    def lacking(source: Source) -> Turn:
        turn = take(source)
        if source.side.text == "a" or len(take.turns) < since:
            return turn
        return Turn({"plan": turn.values["plan"]}, {})

    take = Fake()
    with pytest.raises(LabError, match="'fabric-flood' on B"):
        compare((A, B), TWO, 2, None, lacking)


def test_a_figure_that_only_the_newer_side_has_is_not_judged() -> None:
    def lacking(source: Source) -> Turn:
        turn = take(source)
        return turn if source.side.text == "b" else Turn({"plan": turn.values["plan"]}, {})

    take = Fake()
    found = compare((A, B), TWO, 2, 1.25, lacking)
    assert outcomes(found) == {"plan": Outcome.NO_DIFFERENCE, "fabric-flood": None}
    assert found.reasons == ()


def test_what_is_over_the_gate_stays_so_if_it_cannot_be_measured_once_more() -> None:
    def failing(source: Source) -> Turn:
        if len(take.turns) == 18:
            take.failed["a"] = {"plan": "planted"}
        return take(source)

    take = Fake(lambda _: {"plan": 1.5})
    found = compare((A, B), TWO, 4, 1.25, failing)
    assert [row.series.figure.name for row in found.over(1.25)] == ["plan"]


def test_a_benchmark_that_fails_later_is_an_error() -> None:
    take = Fake()

    def failing(source: Source) -> Turn:
        if len(take.turns) == 5:
            take.failed["a"] = {"plan": "planted"}
        return take(source)

    with pytest.raises(LabError, match="planted"):
        compare((A, B), TWO, 2, None, failing)


def test_table_and_json_say_the_same() -> None:
    found = compared(Fake(lambda _: {"plan": 1.5}), gate=1.25)
    data = json.loads(json.dumps(as_data(found, 1.25)))
    assert data["exceeds_gate"] is True
    assert [figure["outcome"] for figure in data["figures"]] == [
        "slower",
        "no significant difference",
    ]
    assert len(data["figures"][0]["blocks"]) == 4
    console = Console(width=200, no_color=True)
    with console.capture() as capture:
        console.print(comparison_table(found, 1.25))
    text = capture.get()
    assert "slower, N = 4, and over 1.25" in text
    assert "no significant difference with N = 4" in text


# -- which benchmarks --------------------------------------------------------------------------


def test_no_name_means_the_hot_paths() -> None:
    assert chosen([]) == chosen([HOT_PATHS])
    assert {benchmark.needs for benchmark in chosen([])} == {Needs.PROCESS}
    assert [each.name for each in chosen(["fabric-flood", "plan", "plan"])] == [
        *("plan", "fabric-flood")
    ]


@pytest.mark.parametrize("names", [["nothing"], ["cold-start", "plan"]])
def test_a_choice_that_cannot_be_is_refused(names: list[str]) -> None:
    with pytest.raises(InputError):
        chosen(names)


def test_names_of_figures_are_unique() -> None:
    figures = [figure.name for each in BENCHMARKS.values() for figure in each.figures]
    assert len(figures) == len(set(figures))
