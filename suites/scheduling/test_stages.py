"""One pod after the other on an idle node: which stage of its start takes how long."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.core.errors import LabError
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.measures import Measuring
from edge_lab.fixtures.nodes import LabNode
from edge_lab.fixtures.podstarts import Starting
from edge_lab.observe.scheduling.metrics import (
    POD_START,
    SCHEDULING,
    Histogram,
    histogram,
    kubelet_metrics,
    scheduler_metrics,
)
from edge_lab.observe.scheduling.podstarts import Planned, start_manifest

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [allure.parent_suite("Scheduling"), allure.feature("Stages")]

METRICS_SECONDS = 60.0


@pytest.mark.core
@pytest.mark.scenario("pod start, idle")
@allure.title("Each stage of a pod's start on {edge_node} is seen, in order, and it starts once")
def test_each_stage_of_a_start_is_seen(
    lab: Lab,
    edge_node: LabNode,
    pod_starts: Starting,
    pod_count: int,
    measure: Measuring,
    time_limit: TimeLimit,
) -> None:
    before = own_figures(lab, edge_node, time_limit)
    times = pod_starts.one_by_one(edge_node, [Planned()] * pod_count)
    after = own_figures(lab, edge_node, time_limit)
    for name, title in ((SCHEDULING, "scheduler's own figure"), (POD_START, "kubelet's own")):
        mean, reason = mean_of(pod_count, before[name], after[name])
        measure(
            *("pod start, by the stack's metrics", mean),
            unit="s",
            better="lower",
            node=edge_node.name,
            label=title,
            evidence=f"{name}, mean",
            reason=reason,
        )
    verdict = pod_starts.judge(times, edge_node.name)
    assert verdict.passed, str(verdict)


def own_figures(lab: Lab, node: LabNode, time_limit: TimeLimit) -> dict[str, Histogram | LabError]:
    """What scheduler and kubelet count themselves; why not, where they cannot be asked."""

    def asked(name: str) -> Histogram | LabError:
        limit = time_limit(METRICS_SECONDS)
        try:
            if name == SCHEDULING:
                return histogram(scheduler_metrics(lab, limit), name)
            return histogram(kubelet_metrics(lab, node.name, limit), name)
        except LabError as trouble:
            return trouble

    return {name: asked(name) for name in (SCHEDULING, POD_START)}


def mean_of(
    pods: int, before: Histogram | LabError, after: Histogram | LabError
) -> tuple[float | None, str]:
    """The mean over the pods that were started in between; or None, and why there is none."""
    for found in (before, after):
        if isinstance(found, LabError):
            return None, found.message.splitlines()[0][:200]
    assert isinstance(before, Histogram)
    assert isinstance(after, Histogram)
    try:
        between = after.since(before)
    except LabError as trouble:
        return None, trouble.message
    if between.count != pods:
        return None, f"it counted {between.count} pods, but {pods} were started"
    return between.mean, ""


@pytest.mark.core
@allure.title("A pod that bypasses the scheduler is no evidence of scheduling latency (control)")
def test_a_pod_bound_by_name_has_no_stage_of_scheduling(
    lab: Lab, pod_starts: Starting, lab_node: Callable[[str], LabNode]
) -> None:
    node = lab_node(lab.topology.edges[0].name)
    bypassing = Planned(condition="bound by name", changes={"nodeName": node.name})
    with pytest.raises(LabError, match=r"no evidence.*scheduled"):
        pod_starts.one_by_one(node, [bypassing])


FAILS_ONCE = (
    "if [ -e /data/failed ]; then touch /data/up; exec sleep 86400; fi; touch /data/failed; exit 1"
)
"""For a container whose volume outlives it: it runs the second time."""


@pytest.mark.core
@allure.title("A pod whose container starts twice is detected (control)")
def test_a_pod_that_is_restarted_is_found(
    lab: Lab, pod_starts: Starting, lab_node: Callable[[str], LabNode]
) -> None:
    node = lab_node(lab.topology.edges[0].name)
    (container,) = start_manifest("unused", node.spec, Planned())["spec"]["containers"]
    # Ready when it runs for the second time: a first Ready would end the wait for it.
    ready = {"exec": {"command": ["test", "-e", "/data/up"]}, "timeoutSeconds": 30}
    failing = {**container, "command": ["/bin/sh", "-c", FAILS_ONCE], "readinessProbe": ready}
    with pytest.raises(AssertionError, match="restarted"):
        pod_starts.one_by_one(node, [Planned("restarted", changes={"containers": [failing]})])
