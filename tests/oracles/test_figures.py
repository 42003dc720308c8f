"""The figures of autonomy as measures."""

from __future__ import annotations

from dataclasses import fields

from edge_lab.measuring.measures import Better
from edge_lab.measuring.spread import spread
from edge_lab.oracles.autonomy import judge_autonomy
from edge_lab.oracles.figures import Figures
from tests.oracles.recordings import NODE
from tests.oracles.verdicts import POWER, REBOOT_MAY


def texts(*runs: Figures) -> dict[str, str]:
    """What stands in a table of these runs."""
    measures = (measure for run in runs for measure in run.measures(NODE))
    return {line.heading: line.text for line in spread(measures)}


def test_a_verdicts_measures_are_its_figures() -> None:
    verdict = judge_autonomy(POWER, NODE, expect=REBOOT_MAY)
    assert verdict.measures == verdict.figures.measures(NODE)
    assert texts(verdict.figures) == {
        "detected": "41.0 s",
        "downtime": "50.0 s",
        "longest outage": "50.0 s",
        "restarts": "1 restarted",
        "samples": "0 lost",
        "ready again": "15.0 s",
        "backlog in": "18.0 s",
    }


def test_every_figure_is_in_a_measure() -> None:
    none = {measure.name: measure for measure in Figures().measures(NODE)}
    for field in fields(Figures):
        changed = Figures(**{field.name: 7}).measures(NODE)
        (measure,) = (each for each in changed if each != none[each.name])
        assert (measure.value, measure.node, measure.better) == (7, NODE, Better.LOWER)


def test_without_evidence_each_measure_says_why_and_none_is_shown_as_a_number() -> None:
    assert all(measure.reason for measure in Figures().measures(NODE))
    assert set(texts(Figures()).values()) == {"–"}


def test_several_runs_are_shown_from_least_to_most() -> None:
    shown = texts(
        Figures(detect_s=41.2, downtime_s=10.0, longest_s=8.0, replaced=1, lost=0, late=3),
        Figures(detect_s=120.0, downtime_s=12.0, longest_s=8.0, replaced=0, restarts=2, lost=0),
        Figures(downtime_s=12.0, longest_s=9.0, replaced=0, recreated=1, lost=2),
    )
    assert shown["detected"] == "41.2–120 s (– in 1 of 3)"
    assert shown["downtime"] == "10.0–12.0 s"
    assert shown["longest outage"] == "8.0–9.0 s"
    assert shown["restarts"] == "0–2 restarted, 1 (– in 2 of 3) recreated"
    assert shown["samples"] == "0–2 lost, 3 (– in 2 of 3) late"
