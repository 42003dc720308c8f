"""`lab bench`: exit codes, what is printed, and what is refused; nothing is measured."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from edge_lab.bench.ab import comparing
from edge_lab.bench.ab.benchmarks import Benchmark
from edge_lab.bench.ab.interleave import Turn
from edge_lab.bench.ab.sides import Side, Source
from edge_lab.cli.app import app
from edge_lab.core.errors import InputError, LabError

ROOT = str(Path(__file__).resolve().parents[2])


@pytest.fixture
def factor(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """How many times as long each side takes; 0 if it cannot be measured."""
    planted = {"a": 1.0, "b": 1.0}
    genuine = comparing.compare
    turns = 0

    def taking(source: Source) -> Turn:
        nonlocal turns
        turns += 1
        value = 100.0 + turns % 3
        slower = planted["b" if "SIDE=b" in source.side.text else "a"]
        return Turn({"plan": value * slower}, {}) if slower else Turn({}, {"plan": "planted"})

    def compare(
        sides: tuple[Side, Side], benchmarks: Sequence[Benchmark], blocks: int, gate: float | None
    ) -> Any:
        return genuine(sides, benchmarks, blocks, gate, taking)

    monkeypatch.setattr(comparing, "compare", compare)
    return planted


def bench(*arguments: str) -> Result:
    sides = (f"{ROOT},SIDE=a", f"{ROOT},SIDE=b")
    return CliRunner().invoke(app, ["bench", *sides, "--of", "plan", *arguments])


@pytest.mark.slow(reason="turns by the clock")
def test_two_equal_sides_do_not_differ(factor: dict[str, float]) -> None:
    said = bench("--gate", "1.25")
    assert said.exit_code == 0
    assert "no significant difference with N = 6" in said.stdout


def test_a_slower_side_is_told_and_fails_only_with_a_gate(factor: dict[str, float]) -> None:
    factor["b"] = 2.0
    without, gated = bench(), bench("--gate", "1.25")
    assert (without.exit_code, gated.exit_code) == (0, 1)
    assert "slower, N = 6" in without.stdout
    assert "over 1.25" in gated.stdout


def test_json_holds_what_the_table_says(factor: dict[str, float], tmp_path: Path) -> None:
    factor["b"] = 2.0
    said = bench("--json", "--blocks", "3", "--output", str(tmp_path / "found.json"))
    data = json.loads(said.stdout)
    assert data == json.loads((tmp_path / "found.json").read_text())
    (figure,) = data["figures"]
    assert (figure["outcome"], len(figure["blocks"])) == ("slower", 3)
    assert data["exceeds_gate"] is False


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        (["nothing", "."], InputError),
        ([ROOT, f"{ROOT},kubernetes+kubelet"], InputError),
        ([ROOT, ROOT, "--of", "nothing"], InputError),
        ([ROOT, ROOT, "--output", "/nowhere/x.json"], InputError),
    ],
)
def test_what_cannot_be_compared_is_refused(
    arguments: list[str], kind: type[Exception], factor: dict[str, float]
) -> None:
    assert isinstance(CliRunner().invoke(app, ["bench", *arguments]).exception, kind)


def test_a_side_that_cannot_be_measured_is_an_error_of_the_lab(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails(*_: object) -> None:
        raise LabError("plan cannot be measured on B: planted")

    monkeypatch.setattr(comparing, "compare", fails)
    assert isinstance(bench().exception, LabError)


def test_a_gate_without_any_evidence_is_not_passed(factor: dict[str, float]) -> None:
    factor["a"] = 0.0
    assert bench().exit_code == 0
    gated = bench("--gate", "1.25")
    assert isinstance(gated.exception, LabError)
    assert "planted" in gated.exception.message
    assert "plan" in gated.stdout


def test_benchmarks_are_listed() -> None:
    said = CliRunner().invoke(app, ["bench", "--list"])
    assert said.exit_code == 0
    assert "fabric-forward" in said.stdout
    assert "cold-start" in said.stdout
