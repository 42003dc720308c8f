"""A node that runs short of memory: which pods are ended, which stay, and whether it recovers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.addons.workload import NAMESPACE
from edge_lab.addons.workload.manifests import sampler_pod
from edge_lab.faults.engine import FaultEngine
from edge_lab.faults.kinds import MemoryHog
from edge_lab.fixtures.autonomy import Autonomy
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.nodes import LabNode
from edge_lab.fixtures.outcomes import eventually
from edge_lab.observe.memory.collecting import MemoryCase, memory_watchers
from edge_lab.oracles.autonomy import Expectation
from edge_lab.oracles.memory import Cause, MemoryExpectation, MemoryVerdict
from suites.memory.judging import assert_controls, judged, sample_problems, wait_until_over
from suites.memory.memorypods import (
    PROCESS,
    critical,
    grows,
    guaranteed,
    holds,
    key,
    memory_pod,
    present,
    until_lost,
    until_running,
)
from suites.pods import POD_SECONDS

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [allure.parent_suite("Memory"), allure.feature("Pressure")]

MIB_PER_S = 16
GROWN_SECONDS = 300.0
"""Seconds for a pod to use up the memory of an emulated node."""
LOSS_SECONDS = 180.0
"""Seconds for the kubelet to notice (it checks every ten seconds), to evict, and to report."""
BALLAST_MIB, LEFT_MIB = 256, 16
"""MiB that the ballast frees when it is evicted, and that the hog leaves: less than the kubelet's
threshold of 100 MiB, also by its own calculation, which omits the kernel's memory and is about 60
MiB above MemAvailable. With the ballast freed there is enough again, so no other pod must be
evicted."""
PROTECTED_SCORE_ADJ = -999
"""The OOM killer chooses any other process first."""


@pytest.mark.core
@pytest.mark.scenario("a pod without a limit grows")
@allure.title(
    "A BestEffort pod that uses up the memory of {edge_node} is ended, and no other pod is"
)
def test_a_best_effort_pod_that_grows_is_the_victim(
    lab: Lab,
    edge_node: LabNode,
    guarded: None,
    autonomy: Autonomy,
    time_limit: TimeLimit,
    record_verdict: Callable[[MemoryVerdict], None],
) -> None:
    node, grower = edge_node.name, f"memory-grower-{edge_node.name}"
    pod = memory_pod(grower, node, grows(MIB_PER_S), restart="Never")
    with autonomy.watching(node, watchers=memory_watchers(lab, node)) as watch:
        case = MemoryCase.begun(lab, node, time_limit)
        with present(lab, [pod], time_limit):
            until_lost(lab, grower, time_limit, POD_SECONDS + GROWN_SECONDS)
            wait_until_over(watch, node, time_limit)
            case.end()
    evidence = case.evidence(watch.recording)
    verdict = judged(
        evidence,
        lost_alone(grower),
        record_verdict,
    )
    assert verdict.passed, str(verdict)
    assert sample_problems(watch, node) == []
    assert_controls(evidence)


@pytest.mark.scenario("memory taken outside Kubernetes")
@allure.title(
    "A process outside Kubernetes uses up the memory of {edge_node}: BestEffort ends first"
)
def test_a_process_outside_kubernetes_takes_the_memory(
    lab: Lab,
    edge_node: LabNode,
    guarded: None,
    faults: FaultEngine,
    autonomy: Autonomy,
    time_limit: TimeLimit,
    record_verdict: Callable[[MemoryVerdict], None],
) -> None:
    node, ballast = edge_node.name, f"memory-ballast-{edge_node.name}"
    pod = memory_pod(ballast, node, holds(BALLAST_MIB), restart="Never")
    hog = MemoryHog(node=node, leave_mib=LEFT_MIB, oom_score_adj=PROTECTED_SCORE_ADJ)
    watched = autonomy.watching(node, watchers=memory_watchers(lab, node))
    with watched as watch, present(lab, [pod], time_limit):
        until_running(lab, ballast, time_limit)
        wait_held(edge_node, BALLAST_MIB, time_limit)
        case = MemoryCase.begun(lab, node, time_limit)
        with faults.inflict(hog) as record:
            until_lost(lab, ballast, time_limit, LOSS_SECONDS)
        wait_until_over(watch, node, time_limit)
        case.end()
    evidence = case.evidence(watch.recording)
    verdict = judged(
        evidence,
        replace(lost_alone(ballast), since=record.began),
        record_verdict,
    )
    spared = (f"{NAMESPACE}/{sampler_pod(node)}", key(guaranteed(node)), key(critical(node)))
    going_on = autonomy.judge(watch, node, Expectation(pods=spared))
    assert verdict.passed, str(verdict)
    assert going_on.passed, str(going_on)
    assert_controls(evidence)


def lost_alone(pod: str) -> MemoryExpectation:
    """Only the pod is ended, since its node runs short of memory."""
    victims = frozenset({key(pod)})
    return MemoryExpectation(
        may_lose=victims, must_lose=victims, causes=frozenset({Cause.NODE, Cause.EVICTION})
    )


def wait_held(node: LabNode, mib: int, time_limit: TimeLimit) -> None:
    """Waits until a pod's process holds so much, since the hog uses the node's own figures."""
    look = (
        f"grep -hs '^VmRSS:' $(pgrep -x {PROCESS} | sed 's:.*:/proc/&/status:') /dev/null || true"
    )

    def held() -> bool:
        sizes = [int(line.split()[1]) for line in node.output(look).splitlines()]
        return max(sizes, default=0) >= mib * 1024

    eventually(f"a pod on {node} holds {mib} MiB", held, time_limit(POD_SECONDS))
