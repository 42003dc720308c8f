"""What a microVM costs beside runc: read off the node's own log, and never judged."""

from __future__ import annotations

import pytest

from edge_lab.core.errors import LabError
from edge_lab.oracles.sandbox.microvmcost import MIB, PodCost, cost_verdict, first_word_s

TAKEN = "2026-11-29T18:00:00Z"
LOG = (
    "2026-11-29T18:00:20.100000000Z stderr F {not this one\n"
    "2026-11-29T18:00:21.100000000Z stdout F a word of the firmware\n"
    '2026-11-29T18:01:04.500000000Z stdout F {"tag":"x"}\n'
    '2026-11-29T18:02:00.000000000Z stdout F {"tag":"x"}\n'
)


def test_a_start_ends_with_the_first_line_of_the_program() -> None:
    assert first_word_s(LOG, TAKEN) == pytest.approx(64.5)


def test_clocks_of_another_zone_are_read_as_what_they_are() -> None:
    log = LOG.replace("T18:01:04.500000000Z", "T19:01:04.500000000+01:00")
    assert first_word_s(log, TAKEN) == pytest.approx(64.5)


@pytest.mark.parametrize("log", ["", "2026-11-29T18:00:21Z stdout F no JSON\n", "{\n"])
def test_a_log_without_such_a_line_is_no_evidence(log: str) -> None:
    with pytest.raises(LabError):
        first_word_s(log, TAKEN)


def test_figures_and_ratios_are_measures_and_no_verdict() -> None:
    verdict = cost_verdict("edge", "stack", PodCost(90.0, 160 * MIB), PodCost(3.0, 8 * MIB))
    found = {measure.name: measure.value for measure in verdict.measures}
    assert verdict.passed
    assert found == {
        "start_of_a_pod_microvm": 90.0,
        "start_of_a_pod_runc": 3.0,
        "start_of_a_pod_ratio": 30.0,
        "memory_of_a_pod_microvm": 160.0,
        "memory_of_a_pod_runc": 8.0,
        "memory_of_a_pod_ratio": 20.0,
    }
    assert str(verdict)


def test_a_start_within_the_clocks_second_has_no_ratio() -> None:
    verdict = cost_verdict("edge", "stack", PodCost(90.0, MIB), PodCost(0.0, MIB))
    (ratio,) = [measure for measure in verdict.measures if measure.name == "start_of_a_pod_ratio"]
    assert ratio.value is None
    assert ratio.reason
