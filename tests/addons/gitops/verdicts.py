"""Helpers for tests of the judges of suites/gitops."""

from __future__ import annotations

from edge_lab.addons.witness import Run
from edge_lab.oracles.verdict import Verdict

NODE, RUNTIME = "edge-arm", "kubernetes+openyurt"
START = 1_700_000_000.0
PARTS = ("agent", "helper")


def run(part: str, revision: str, began: float, ended: float | None = None) -> Run:
    """Times in seconds from START."""
    over = None if ended is None else START + ended
    return Run(part, revision, f"{part}-{revision}-{began:g}", START + began, over)


def value(verdict: Verdict, name: str) -> float | None:
    (found,) = [measure.value for measure in verdict.measures if measure.name == name]
    return found


def red(verdict: Verdict, count: int = 1) -> None:
    assert len(verdict.problems) == count, str(verdict)
