"""Rounds of the same work: pods are created and deleted, connections break, twins report. No part
of a node's memory may grow with it; a planted workload that leaks must be found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import allure
import pytest

from edge_lab.addons.twins.names import twin_name, twins_of
from edge_lab.addons.workload import NAMESPACE
from edge_lab.core.errors import LabError
from edge_lab.core.step import step
from edge_lab.evidence.leaks import LeakEvidence
from edge_lab.fixtures.autonomy import Autonomy
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.leaks import LeakRun
from edge_lab.fixtures.nodes import LabNode
from edge_lab.observe.memory.rounds import MemoryRounds
from edge_lab.observe.twinwatch import TwinWatch
from edge_lab.oracles.memory.leaks import LeakVerdict, judge_leaks
from edge_lab.oracles.verdict import Verdict
from edge_lab.report.leaks import leaks_svg
from suites.memory.memorypods import (
    IDLE,
    LEAKER_LIMIT_MIB,
    key,
    leaks,
    memory_pod,
    present,
    until_running,
)
from suites.memory.reconnects import reconnect
from suites.memory.reports import reports_of

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [allure.parent_suite("Memory"), allure.feature("Leaks")]

PAUSE_SECONDS = 30.0
"""Minimum seconds of a round, so that the planted leak grows in each."""

WARM_UP_BATCHES, WARM_UP_PODS = 3, 8
"""Before the first round of pods. Without them, containerd grew from 35 to 40 MiB on an arm64 node
in its first 24 pods after a start from a checkpoint, and by nothing in the next 20."""


def leaker(node: str) -> str:
    return f"memory-leaker-{node}"


@pytest.fixture
def planted(
    lab: Lab, edge_node: LabNode, leak_run: LeakRun, time_limit: TimeLimit
) -> Iterator[str]:
    """A pod that leaks; yields its name in oracles."""
    name = leaker(edge_node.name)
    limit = {"memory": f"{LEAKER_LIMIT_MIB}Mi"}
    pod = memory_pod(name, edge_node.name, leaks(leak_run.leaker_kib), limits=limit)
    with present(lab, [pod], time_limit):
        until_running(lab, name, time_limit)
        yield key(name)


def run_rounds(
    rounds: MemoryRounds, count: int, work: Callable[[int], float], time_limit: TimeLimit
) -> LeakEvidence:
    """`work` does one round, and returns the amount of work."""
    for number in range(count):
        with step(f"round {number + 1} of {count}"):
            done = work(number)
            rounds.ended(done, time_limit(180))
    return rounds.evidence


def judged(evidence: LeakEvidence, planted: str, record: Callable[[Verdict], None]) -> LeakVerdict:
    """Records the verdict and attaches the evidence, so that it can be judged again."""
    text = evidence.model_dump_json(indent=1)
    allure.attach(text, "leak evidence", allure.attachment_type.JSON)
    verdict = judge_leaks(evidence, may_leak=[planted])
    allure.attach(leaks_svg(verdict, evidence), "memory growth", allure.attachment_type.SVG)
    record(verdict)
    return verdict


def assert_controls(evidence: LeakEvidence, verdict: LeakVerdict, planted: str) -> None:
    """The planted leak is found, and would be a problem if it were not permitted."""
    slope = verdict.slope(planted)
    assert slope.leaks, f"the planted leak was not detected: {slope.told(evidence.unit)}"
    assert not judge_leaks(evidence).passed
    with pytest.raises(LabError):
        judge_leaks(evidence.altered(rounds=evidence.rounds[:3]))


def assert_no_leak(evidence: LeakEvidence, planted: str, record: Callable[[Verdict], None]) -> None:
    """Only the planted leak has grown with the work, which is the control."""
    verdict = judged(evidence, planted, record)
    assert verdict.passed, str(verdict)
    assert_controls(evidence, verdict, planted)


def come_and_go(lab: Lab, node: str, count: int, time_limit: TimeLimit, number: int) -> list[str]:
    """Creates pods, waits until they run, and deletes them; returns their names."""
    names = [f"memory-churn-{node}-{number}-{index}" for index in range(count)]
    pods: Sequence[dict[str, Any]] = [memory_pod(name, node, IDLE) for name in names]
    with present(lab, pods, time_limit):
        for name in names:
            until_running(lab, name, time_limit)
    return names


def churn(
    lab: Lab, node: str, run: LeakRun, time_limit: TimeLimit, autonomy: Autonomy, number: int
) -> float:
    """A round of pods, and a pause."""
    names = come_and_go(lab, node, run.pods, time_limit, number)
    autonomy.hold(PAUSE_SECONDS)
    left = lab.kubectl.items("pods", "-n", NAMESPACE, deadline=time_limit(60))
    assert not {pod["metadata"]["name"] for pod in left}.intersection(names)
    return run.pods


@pytest.mark.scenario("leaks: pods")
@allure.title("Pods that are created and deleted leak no memory on {edge_node}")
def test_pods_that_come_and_go_leave_nothing_behind(
    lab: Lab,
    edge_node: LabNode,
    planted: str,
    leak_run: LeakRun,
    autonomy: Autonomy,
    time_limit: TimeLimit,
    record_verdict: Callable[[Verdict], None],
) -> None:
    # Heaps of programs in Go grow until their first collections under load.
    for number in range(WARM_UP_BATCHES):
        come_and_go(lab, edge_node.name, WARM_UP_PODS, time_limit, number)
    rounds = MemoryRounds(lab, edge_node.name, "pod")
    work = partial(churn, lab, edge_node.name, leak_run, time_limit, autonomy)
    evidence = run_rounds(rounds, leak_run.rounds, work, time_limit)
    assert_no_leak(evidence, planted, record_verdict)


@pytest.mark.scenario("leaks: reconnections")
@allure.title("Connections that break and are re-established leak no memory on {edge_node}")
def test_reconnections_leave_nothing_behind(
    lab: Lab,
    edge_node: LabNode,
    planted: str,
    leak_run: LeakRun,
    autonomy: Autonomy,
    time_limit: TimeLimit,
    record_verdict: Callable[[Verdict], None],
) -> None:
    def broken(number: int) -> float:
        for _ in range(leak_run.reconnects):
            reconnect(lab, edge_node.name, time_limit)
        autonomy.hold(PAUSE_SECONDS)
        return leak_run.reconnects

    rounds = MemoryRounds(lab, edge_node.name, "reconnect")
    evidence = run_rounds(rounds, leak_run.rounds, broken, time_limit)
    assert_no_leak(evidence, planted, record_verdict)


@pytest.mark.scenario("leaks: twins")
@allure.title("Twins that keep reporting leak no memory on {edge_node}")
def test_twins_that_report_leave_nothing_behind(
    lab: Lab,
    edge_node: LabNode,
    planted: str,
    leak_run: LeakRun,
    autonomy: Autonomy,
    time_limit: TimeLimit,
    record_verdict: Callable[[Verdict], None],
) -> None:
    node = edge_node.name
    twins = [twin_name(device.name, node) for device in twins_of(lab.topology, edge_node.spec)]
    if not twins:
        pytest.skip(f"{node} keeps no twins")

    def reported(number: int) -> float:
        with TwinWatch(lab.kubectl) as seen:
            autonomy.hold(leak_run.twin_seconds)
            seen.check()
        reports = reports_of(twins, seen)
        if not reports:
            raise LabError(f"no evidence: no twin of {node} has reported in round {number + 1}")
        return reports

    rounds = MemoryRounds(lab, node, "report")
    evidence = run_rounds(rounds, leak_run.rounds, reported, time_limit)
    assert_no_leak(evidence, planted, record_verdict)
