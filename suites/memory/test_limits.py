"""A pod and its own limit: below it nothing happens, above it only the pod is killed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.fixtures.autonomy import Autonomy
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.measures import Measuring
from edge_lab.fixtures.nodes import LabNode
from edge_lab.observe.memory.collecting import MemoryCase, memory_watchers
from edge_lab.oracles.memory import Cause, MemoryExpectation, MemoryVerdict
from suites.memory.judging import assert_controls, judged, sample_problems
from suites.memory.memorypods import (
    grows,
    holds,
    key,
    memory_pod,
    once,
    present,
    until_lost,
    until_running,
)
from suites.pods import POD_SECONDS

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [allure.parent_suite("Memory"), allure.feature("Limits")]

LIMIT = {"memory": "64Mi"}
HELD_MIB, MIB_PER_S = 24, 8
KILL_SECONDS = 120.0
"""Seconds for a growing pod to be killed at its limit, and reported, on an emulated node."""


@pytest.mark.core
@pytest.mark.scenario("a pod at its memory limit")
@allure.title("A pod above its memory limit is killed on {edge_node}, and nothing else")
def test_a_pod_above_its_limit_is_killed_and_nobody_else(
    lab: Lab,
    edge_node: LabNode,
    guarded: None,
    autonomy: Autonomy,
    time_limit: TimeLimit,
    measure: Measuring,
    record_verdict: Callable[[MemoryVerdict], None],
) -> None:
    node = edge_node.name
    within, above = f"memory-within-{node}", f"memory-above-{node}"
    pods = [
        memory_pod(within, node, holds(HELD_MIB), limits=LIMIT),
        memory_pod(above, node, once(grows(MIB_PER_S)), limits=LIMIT),
    ]
    watched = autonomy.watching(node, watchers=memory_watchers(lab, node))
    with watched as watch, present(lab, pods[:1], time_limit):
        until_running(lab, within, time_limit)
        case = MemoryCase.begun(lab, node, time_limit)
        with present(lab, pods[1:], time_limit):
            until_lost(lab, above, time_limit, POD_SECONDS + KILL_SECONDS)
            until_running(lab, above, time_limit)
            case.end()
    evidence = case.evidence(watch.recording)
    verdict = judged(
        evidence,
        MemoryExpectation(
            may_lose=frozenset({key(above)}),
            must_lose=frozenset({key(above)}),
            causes=frozenset({Cause.OWN_LIMIT}),
        ),
        record_verdict,
    )
    (seen,) = (pod for pod in evidence.pods_after if pod.key == key(above))
    measure(
        "restarts at the memory limit",
        seen.restarts,
        unit="count",
        better="neither",
        node=node,
        evidence="restartCount",
    )
    assert verdict.passed, str(verdict)
    assert seen.restarts == 1
    assert ("OOMKilled", 137) in {(end.reason, end.exit_code) for end in seen.ends}
    assert sample_problems(watch, node) == []
    assert_controls(evidence)
