"""The same pod in two conditions by turns: how many times as long it takes to start.

By turns, in pairs of changing order, so that what the host does meanwhile is in both. That two
conditions differ significantly is no verdict: it is measured. That each pod starts once,
on its node, is one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.addons.gvisor.names import GVISOR
from edge_lab.core.errors import MissingCapability
from edge_lab.faults.engine import FaultEngine
from edge_lab.faults.kinds import Cut, MemoryHog, Profile
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.measures import Measuring
from edge_lab.fixtures.nodes import LabNode
from edge_lab.fixtures.outcomes import eventually
from edge_lab.fixtures.podstarts import DEFAULT_PODS, Starting
from edge_lab.observe.scheduling.podstarts import Planned
from edge_lab.observe.scheduling.runtimes import default_runtime
from edge_lab.observe.scheduling.turns import interleaved
from edge_lab.oracles.scheduling.stages import StartTimes
from edge_lab.oracles.scheduling.verdict import ratio_measure
from suites.edges import is_ready, uplink
from suites.scheduling.apirestart import api_server_restart
from suites.scheduling.busy import busy_cpus

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [allure.parent_suite("Scheduling"), allure.feature("Conditions")]

IDLE = "idle"
LEAST_PAIRS = 4
"""Whole blocks of two pairs; so many for the five pods that are usual."""
BACK_SECONDS = 150.0
LEAVE_MIB = 240
"""By the hog: above what makes the kubelet evict, with room for the pods."""


@pytest.fixture
def measure_interleaved(
    pod_starts: Starting, pod_count: int, measure: Measuring
) -> Callable[[LabNode, Planned], tuple[StartTimes, ...]]:
    """Starts pods on a node idle and as planned by turns; measures the ratio."""

    def start(node: LabNode, other: Planned) -> tuple[StartTimes, ...]:
        plans = interleaved(
            Planned(IDLE), other, max(LEAST_PAIRS, pod_count * LEAST_PAIRS // DEFAULT_PODS)
        )
        times = pod_starts.one_by_one(node, plans)
        planned = list(zip(times, plans, strict=True))
        base = [start_times for start_times, plan in planned if plan is not other]
        turned = [start_times for start_times, plan in planned if plan is other]
        names = f"{other.runtime_class}/{base[0].start.runtime}" if other.runtime_class else ""
        found = pod_starts.compare(node.name, base, turned, names)
        measure.add(ratio_measure(found.condition, found.base, found.ratio, node.name))
        verdict = pod_starts.judge(turned, node.name)
        assert verdict.passed, str(verdict)
        return times

    return start


@pytest.mark.scenario("pod start, CPUs busy")
@allure.title("Pods start on {edge_node} while its CPUs are busy")
def test_pods_start_on_a_busy_node(
    edge_node: LabNode, measure_interleaved: Callable[[LabNode, Planned], Sequence[StartTimes]]
) -> None:
    measure_interleaved(edge_node, Planned("CPUs busy", around=lambda: busy_cpus(edge_node)))


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("3g", marks=pytest.mark.scenario("pod start, 3G line")),
        pytest.param("geo", marks=pytest.mark.scenario("pod start, satellite line")),
    ],
)
@allure.title("Pods start on {edge_node} over a {line} line")
def test_pods_start_over_a_slow_line(
    lab: Lab,
    edge_node: LabNode,
    faults: FaultEngine,
    measure_interleaved: Callable[[LabNode, Planned], Sequence[StartTimes]],
    line: str,
) -> None:
    slow = Profile(link=uplink(lab, edge_node.name), name=line)
    measure_interleaved(edge_node, Planned(f"{line} line", around=lambda: faults.inflict(slow)))


@pytest.mark.scenario("pod start, right after a heal")
@allure.title("Pods start on {edge_node} right after its uplink was cut and healed")
def test_pods_start_just_after_a_heal(
    lab: Lab,
    edge_node: LabNode,
    faults: FaultEngine,
    measure_interleaved: Callable[[LabNode, Planned], Sequence[StartTimes]],
    time_limit: TimeLimit,
) -> None:
    @contextlib.contextmanager
    def healed() -> Iterator[None]:
        with faults.inflict(Cut(link=uplink(lab, edge_node.name))):
            pass  # healed when the recovery was seen at the wire, not yet by the stack
        yield
        eventually(
            f"{edge_node} is Ready",
            lambda: is_ready(lab, edge_node.name, time_limit),
            time_limit(BACK_SECONDS),
        )

    measure_interleaved(edge_node, Planned("after a heal", around=healed))


@pytest.mark.scenario("pod start, memory taken")
@allure.title("Pods start on {edge_node} while its memory is used up")
def test_pods_start_on_a_node_short_of_memory(
    edge_node: LabNode,
    faults: FaultEngine,
    measure_interleaved: Callable[[LabNode, Planned], Sequence[StartTimes]],
) -> None:
    hog = MemoryHog(node=edge_node.name, leave_mib=LEAVE_MIB)
    measure_interleaved(edge_node, Planned("memory taken", around=lambda: faults.inflict(hog)))


@pytest.mark.scenario("pod start, API server restarts")
@pytest.mark.parametrize("pod_watch", [True], indirect=True, ids=["reconnects"])
@allure.title("Pods start on {edge_node} while the API server restarts")
def test_pods_start_while_the_api_server_restarts(
    lab: Lab,
    server: LabNode,
    edge_node: LabNode,
    measure_interleaved: Callable[[LabNode, Planned], Sequence[StartTimes]],
) -> None:
    measure_interleaved(
        edge_node, Planned("API server restarts", around=lambda: api_server_restart(lab, server))
    )


@pytest.mark.scenario("pod start, gVisor")
@pytest.mark.needs(GVISOR)
@allure.title("Pod starts in gVisor compared with the default runtime on {edge_node}")
def test_pods_start_in_a_sandbox(
    lab: Lab,
    edge_node: LabNode,
    measure_interleaved: Callable[[LabNode, Planned], Sequence[StartTimes]],
) -> None:
    if default_runtime(lab, edge_node.spec) == GVISOR:
        raise MissingCapability(f"every pod of {edge_node} is sandboxed: none has another runtime")
    measure_interleaved(edge_node, Planned(IDLE, runtime_class=GVISOR))


@pytest.mark.scenario("pod start, a burst")
@allure.title("Pods that are created at once all start on {edge_node}")
def test_a_burst_of_pods_starts(edge_node: LabNode, pod_starts: Starting, burst_count: int) -> None:
    plans = [Planned(f"burst of {burst_count}")] * burst_count
    times = pod_starts.at_once(edge_node, plans)
    verdict = pod_starts.judge(times, edge_node.name)
    assert verdict.passed, str(verdict)
