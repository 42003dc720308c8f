"""Histograms of scheduler and kubelet: what came in between, and what is none."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.machines import CommandResult
from edge_lab.observe.scheduling.metrics import (
    POD_START,
    SCHEDULING,
    histogram,
    scheduler_metrics,
)

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


@pytest.mark.parametrize(
    ("returncode", "stderr", "said"),
    [
        (1, "Traceback\nurllib.error.HTTPError: HTTP Error 403: Forbidden\n", "403"),
        (1, "", "nothing"),
    ],
)
def test_a_scheduler_that_does_not_show_its_metrics_is_named(
    returncode: int, stderr: str, said: str
) -> None:
    done = CommandResult("python3", returncode, "", stderr)
    machine = SimpleNamespace(run=lambda command, deadline, check: done)
    topology = SimpleNamespace(server=SimpleNamespace(name="server"))
    lab: Any = SimpleNamespace(machine=lambda name: machine, topology=topology)
    with pytest.raises(LabError, match=said) as raised:
        scheduler_metrics(lab, Deadline.after(1))
    assert "\n" not in raised.value.message
