"""What a sandbox costs: starts, memory, reads of a device and samples, in gVisor beside runc.

Interleaved on one node, in pairs of changing order, so that the host affects both alike.
That they differ is no verdict: it is measured. The controls: two of the same do not differ
significantly, and with a planted slowdown they do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.addons.gvisor.names import GVISOR
from edge_lab.faults.engine import FaultEngine
from edge_lab.faults.kinds import Impair
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.measures import Measuring
from edge_lab.fixtures.nodes import LabNode
from edge_lab.fixtures.podstarts import Starting
from edge_lab.observe.memory.newpods import NewPodMemory
from edge_lab.observe.scheduling.podstarts import Planned
from edge_lab.observe.scheduling.turns import interleaved
from edge_lab.oracles.sandbox.figures import (
    CONTROL_CONFIDENCE,
    MIB,
    BenchRecord,
    CostFigure,
    Figure,
    cost,
)
from edge_lab.oracles.scheduling.stages import StartTimes
from edge_lab.oracles.scheduling.statistics import CONFIDENCE
from suites.sandbox.benchpods import (
    RUNC,
    RUNC_AGAIN,
    SANDBOXED,
    Variant,
    interleaved_reads,
    modbus_link,
    need_both,
)

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [allure.parent_suite("Sandbox"), allure.feature("Figures")]

Values = tuple[str, Sequence[float]]
"""What a variant is called, and its values."""

PAIRS = 20
CONTROL_PAIRS = 8
PLANTED_MS = 100.0
"""A read in an emulated guest takes some milliseconds."""

slow = pytest.mark.slow(reason="forty pods, one after the other, or forty turns of two")


def started(
    lab: Lab,
    node: LabNode,
    pod_starts: Starting,
    first: Variant,
    second: Variant,
    pairs: int,
    limit: TimeLimit,
    confidence: float = CONFIDENCE,
) -> tuple[CostFigure, CostFigure]:
    """Pods of either start by turns: how long, and what memory they have when they are Ready."""
    memory = NewPodMemory(lab, node.name, limit)
    base, other = (
        Planned(variant.name, variant.runtime_class, memory.around(variant.name))
        for variant in (first, second)
    )
    times = pod_starts.one_by_one(node, interleaved(base, other, pairs))

    def of(plan: Planned) -> list[StartTimes]:
        return [
            start_times for start_times in times if start_times.start.condition == plan.condition
        ]

    pod_starts.compare(node.name, of(base), of(other), f"{second.name}/{first.name}")
    verdict = pod_starts.judge(of(other), node.name)
    assert verdict.passed, str(verdict)

    def startups(plan: Planned) -> Values:
        return plan.condition, [start_times.startup for start_times in of(plan)]

    def mebibytes(plan: Planned) -> Values:
        return plan.condition, [used / MIB for used in memory.found[plan.condition]]

    return (
        cost(Figure.START, startups(base), startups(other), confidence),
        cost(Figure.MEMORY, mebibytes(base), mebibytes(other), confidence),
    )


def read(
    lab: Lab,
    node: LabNode,
    first: Variant,
    second: Variant,
    pairs: int,
    limit: TimeLimit,
    confidence: float = CONFIDENCE,
) -> tuple[CostFigure, CostFigure]:
    """Pods of either read a device by turns: how long a read takes, and how many samples a second
    are read and kept on disk."""
    base, other = interleaved_reads(lab, node.name, first, second, pairs, limit)

    def milliseconds(variant: Variant, found: Sequence[BenchRecord]) -> Values:
        return variant.name, [record.read * 1000 for record in found]

    def rates(variant: Variant, found: Sequence[BenchRecord]) -> Values:
        return variant.name, [record.rate for record in found]

    return (
        cost(Figure.READ, milliseconds(first, base), milliseconds(second, other), confidence),
        cost(Figure.RATE, rates(first, base), rates(second, other), confidence),
    )


def record(figures: Sequence[CostFigure], node: LabNode, measure: Measuring) -> None:
    for figure in figures:
        for found in figure.measures(node.name):
            measure.add(found)
    text = "\n".join(map(str, figures))
    allure.attach(text, f"figures of {node}", allure.attachment_type.TEXT)


@slow
@pytest.mark.scenario("cost of a sandbox: start and memory")
@pytest.mark.needs(GVISOR)
@allure.title("On {edge_node}, start time and memory of pods in gVisor compared with runc")
def test_start_and_memory_in_a_sandbox(
    lab: Lab,
    edge_node: LabNode,
    pod_starts: Starting,
    pod_count: int,
    measure: Measuring,
    time_limit: TimeLimit,
) -> None:
    need_both(lab, edge_node.spec)
    pairs = max(PAIRS, pod_count)
    figures = started(lab, edge_node, pod_starts, RUNC, SANDBOXED, pairs, time_limit)
    record(figures, edge_node, measure)


@slow
@pytest.mark.scenario("cost of a sandbox: reads and samples")
@pytest.mark.needs(GVISOR)
@allure.title("On {edge_node}, read latency and sample rate in gVisor compared with runc")
def test_reads_and_samples_in_a_sandbox(
    lab: Lab, edge_node: LabNode, pod_count: int, measure: Measuring, time_limit: TimeLimit
) -> None:
    need_both(lab, edge_node.spec)
    pairs = max(PAIRS, pod_count)
    record(read(lab, edge_node, RUNC, SANDBOXED, pairs, time_limit), edge_node, measure)


# -- controls ----------------------------------------------------------------------------------


@pytest.mark.scenario("A/A comparison: start and memory")
@allure.title(
    "On {edge_node}, start time and memory under runc do not differ from themselves (control)"
)
def test_starts_of_like_pods_do_not_differ(
    lab: Lab,
    edge_node: LabNode,
    pod_starts: Starting,
    measure: Measuring,
    time_limit: TimeLimit,
) -> None:
    need_both(lab, edge_node.spec)
    figures = started(
        *(lab, edge_node, pod_starts, RUNC, RUNC_AGAIN, CONTROL_PAIRS, time_limit),
        CONTROL_CONFIDENCE,
    )
    record(figures, edge_node, measure)
    assert [str(figure) for figure in figures if figure.ratio.significant] == []


@pytest.mark.scenario("A/A comparison: reads and samples")
@allure.title(
    "On {edge_node}, reads and samples under runc do not differ from themselves (control)"
)
def test_reads_of_like_pods_do_not_differ(
    lab: Lab, edge_node: LabNode, measure: Measuring, time_limit: TimeLimit
) -> None:
    need_both(lab, edge_node.spec)
    figures = read(
        *(lab, edge_node, RUNC, RUNC_AGAIN, CONTROL_PAIRS, time_limit), CONTROL_CONFIDENCE
    )
    record(figures, edge_node, measure)
    assert [str(figure) for figure in figures if figure.ratio.significant] == []


@pytest.mark.scenario("a planted slowdown: reads and samples")
@allure.title("On {edge_node}, reads over a delayed link are found to be slower (control)")
def test_a_planted_slowdown_is_seen(
    lab: Lab,
    edge_node: LabNode,
    faults: FaultEngine,
    measure: Measuring,
    time_limit: TimeLimit,
) -> None:
    need_both(lab, edge_node.spec)
    late = Impair(link=modbus_link(lab, edge_node.name).name, delay_ms=PLANTED_MS)
    slowed = Variant("slowed", around=lambda: faults.inflict(late))
    figures = read(*(lab, edge_node, RUNC, slowed, CONTROL_PAIRS, time_limit), CONTROL_CONFIDENCE)
    record(figures, edge_node, measure)
    reads, samples = figures
    assert reads.ratio.significant, str(reads)
    assert reads.ratio.value > 1, str(reads)
    assert samples.ratio.significant, str(samples)
    assert samples.ratio.value < 1, str(samples)
