"""Figures of verdicts as text."""

from __future__ import annotations

from edge_lab.oracles.autonomy import judge_autonomy
from edge_lab.oracles.figures import Figures, spread
from tests.oracles.recordings import NODE
from tests.oracles.verdicts import POWER, REBOOT_MAY


def test_figures_read_as_a_row() -> None:
    row = judge_autonomy(POWER, NODE, expect=REBOOT_MAY).figures.row()
    assert row == {
        "detected": "41.0 s",
        "downtime": "50.0 s",
        "restarts": "1 restarted",
        "samples": "0 lost",
        "ready again": "15.0 s",
        "backlog in": "18.0 s",
    }
    assert set(Figures().row().values()) == {"–"}


def test_several_runs_are_shown_from_least_to_most() -> None:
    runs = [
        Figures(detect_s=41.2, downtime_s=10.0, longest_s=8.0, replaced=1, lost=0, late=3),
        Figures(detect_s=120.0, downtime_s=12.0, longest_s=8.0, replaced=0, restarts=2, lost=0),
        Figures(downtime_s=12.0, longest_s=9.0, replaced=0, recreated=1, lost=2),
    ]
    shown = spread(runs)
    assert shown["detected"] == "41.2–120 s (– in 1 of 3)"
    assert shown["downtime"] == "10.0–12.0 s, longest 8.0–9.0 s"
    assert shown["restarts"] == "0–2 restarted, 1 (– in 2 of 3) recreated"
    assert shown["samples"] == "0–2 lost, 3 (– in 2 of 3) late"
