"""Histograms of scheduler and kubelet, and the clock of a guest."""

from __future__ import annotations

import time
from dataclasses import dataclass

import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.observe.scheduling.clock import clock_bounds
from edge_lab.observe.scheduling.metrics import POD_START, SCHEDULING, histogram

TEXT = f"""\
# HELP {SCHEDULING} [BETA] E2e latency for a pod being scheduled
# TYPE {SCHEDULING} histogram
{SCHEDULING}_bucket{{attempts="1",le="0.01"}} 3
{SCHEDULING}_bucket{{attempts="1",le="+Inf"}} 4
{SCHEDULING}_sum{{attempts="1"}} 0.5
{SCHEDULING}_count{{attempts="1"}} 4
{SCHEDULING}_bucket{{attempts="2",le="0.01"}} 0
{SCHEDULING}_bucket{{attempts="2",le="+Inf"}} 1
{SCHEDULING}_sum{{attempts="2"}} 1.5
{SCHEDULING}_count{{attempts="2"}} 1
"""


def test_all_labels_of_a_metric_count_together() -> None:
    found = histogram(TEXT, SCHEDULING)
    assert (found.count, found.seconds, found.mean) == (5, 2.0, 0.4)
    assert found.buckets == {0.01: 3, float("inf"): 5}


def test_what_came_in_between_is_the_difference() -> None:
    later = TEXT.replace('_sum{attempts="1"} 0.5', '_sum{attempts="1"} 1.1').replace(
        '_count{attempts="1"} 4', '_count{attempts="1"} 6'
    )
    between = histogram(later, SCHEDULING).since(histogram(TEXT, SCHEDULING))
    assert between.count == 2
    assert between.mean == pytest.approx(0.3)
    with pytest.raises(LabError):
        histogram(TEXT, SCHEDULING).since(histogram(later, SCHEDULING))


def test_a_metric_that_has_counted_nothing_has_no_mean() -> None:
    assert histogram(TEXT, POD_START).mean is None


@pytest.mark.parametrize("text", ["", '{"code": 403}', "<html>"])
def test_what_is_no_metrics_is_no_evidence(text: str) -> None:
    with pytest.raises(LabError):
        histogram(text, SCHEDULING)


@dataclass(frozen=True)
class Said:
    stdout: str


class Guest:
    """Its clock is so many ns ahead."""

    name = "edge-arm"

    def __init__(self, ahead: int, said: str = "") -> None:
        self._ahead = ahead
        self._said = said

    def run(self, command: str, deadline: Deadline) -> Said:
        now = (time.time_ns() + self._ahead) // 1000
        return Said(self._said or f"{now // 1_000_000}.{now % 1_000_000:06d}\n")


@pytest.mark.parametrize("ahead", [0, 3_600_000_000_000, -250_000_000])
def test_the_offset_of_a_guest_is_within_its_bounds(ahead: int) -> None:
    bounds = clock_bounds(Guest(ahead), Deadline.after(10))
    assert bounds.least - 1000 <= ahead <= bounds.most + 1000
    assert bounds.error < 1


@pytest.mark.parametrize("said", ["bash: no such thing", "1795916659", "1795916659.1"])
def test_a_guest_that_does_not_tell_its_time_is_no_evidence(said: str) -> None:
    with pytest.raises(LabError):
        clock_bounds(Guest(0, said), Deadline.after(10))
