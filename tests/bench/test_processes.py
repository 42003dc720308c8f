"""Two checkouts in processes: that each is measured, and that a planted slowdown is found."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from edge_lab.bench.ab import interleave
from edge_lab.bench.ab.benchmarks import chosen
from edge_lab.bench.ab.comparing import compare
from edge_lab.bench.ab.interleave import taking
from edge_lab.bench.ab.judging import Outcome
from edge_lab.bench.ab.sides import Side, checked_out
from edge_lab.core.errors import LabError

ROOT = Path(__file__).resolve().parents[2]
PLAN = chosen(["plan"])

pytestmark = pytest.mark.slow(reason="benchmarks in processes that import the package")

BURN = """
import time as _time
def load_topology(*given: object, **more: object) -> object:
    burnt = _time.process_time() + 0.3
    while _time.process_time() < burnt:
        pass
    return _load_topology(*given, **more)
"""


def checkout(folder: Path, slowed: bool = False) -> Path:
    """A copy of the package, and of no more; links stay what they are."""
    for name in ("lab", "fixtures", "images", "labs", "plans", "src"):
        shutil.copytree(
            ROOT / name, folder / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__")
        )
    if slowed:
        source = folder / "lab" / "topology" / "load.py"
        text = source.read_text()
        assert "def load_topology(" in text
        source.write_text(text.replace("def load_topology(", "def _load_topology(") + BURN)
    return folder


def test_a_planted_slowdown_is_slower_and_over_the_gate(tmp_path: Path) -> None:
    sides = (
        Side("a", checkout=str(ROOT)),
        Side("b", checkout=str(checkout(tmp_path, slowed=True))),
    )
    found = compare(sides, PLAN, blocks=3)  # of two, the interval is too wide on a busy machine
    (row,) = found.over(1.25)
    assert row.judged is not None
    assert row.judged.outcome is Outcome.SLOWER


def test_a_checkout_without_benchmarks_is_measured_by_these(tmp_path: Path) -> None:
    shutil.rmtree(checkout(tmp_path) / "lab" / "bench")
    with checked_out(Side("old", checkout=str(tmp_path))) as source:
        turn = taking(PLAN)(source)
    assert turn.failed == {}
    assert turn.values["plan"] > 0


def test_a_benchmark_that_does_not_fit_a_checkout_is_told(tmp_path: Path) -> None:
    load = checkout(tmp_path) / "lab" / "topology" / "load.py"
    load.write_text(load.read_text().replace("def load_topology(", "def read_topology("))
    with checked_out(Side("old", checkout=str(tmp_path))) as source:
        turn = taking(PLAN)(source)
    assert "ImportError" in turn.failed["plan"]


def test_measuring_another_checkout_than_meant_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interleave, "_environment", lambda _: {"PYTHONPATH": str(ROOT / "src")})
    with (
        checked_out(Side("b", checkout=str(checkout(tmp_path)))) as source,
        pytest.raises(LabError, match="in place of"),
    ):
        taking(PLAN)(source)


def test_a_process_that_dies_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with checked_out(Side(".", checkout=str(ROOT))) as source, pytest.raises(LabError):
        taking(PLAN)(source)
