"""Pods for a node that is lost wait for it; they run once it is back, and preempt only then."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import allure
import pytest

from edge_lab.addons.workload import NAMESPACE
from edge_lab.faults.engine import FaultEngine
from edge_lab.faults.kinds import Cut
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.measures import Measuring
from edge_lab.observe.scheduling.podwatch import PodWatch
from edge_lab.oracles.scheduling.placement import PENDING_REASON, placement
from edge_lab.oracles.scheduling.preemption import judge_preemption
from suites.edges import uplink
from suites.scheduling.decisions import decided, gone, running
from suites.scheduling.lost import UNREACHABLE, lost
from suites.scheduling.objects import (
    GRACE_SECONDS,
    HIGH,
    LOW,
    SIGTERM_EXIT_CODE,
    events_of,
    on,
    placed,
    pod,
)

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [allure.parent_suite("Scheduling"), allure.feature("Lost node")]

UNTOLERATED = "untolerated taint"
"""In the scheduler's event, which does not name the taint (Kubernetes 1.34)."""
NEVER_EVICTED = {"tolerations": [{"operator": "Exists", "effect": "NoExecute"}]}


def is_to_be_deleted(lab: Lab, name: str, time_limit: TimeLimit) -> bool:
    found: dict[str, Any] | None = lab.kubectl.find(
        "pod", name, "-n", NAMESPACE, deadline=time_limit(60)
    )
    return found is None or "deletionTimestamp" in found["metadata"]


@pytest.mark.scenario("placement and preemption, node lost")
@allure.title(
    "While a node is lost its pods wait and preempt no other; once it is back, both happen"
)
def test_pods_of_a_lost_node_wait_for_it(
    lab: Lab,
    first_edge: str,
    most: str,
    faults: FaultEngine,
    pod_watch: PodWatch,
    measure: Measuring,
    time_limit: TimeLimit,
) -> None:
    victim = pod("lost-victim", {**on(first_edge), **NEVER_EVICTED}, cpu=most, priority=LOW)
    with placed(lab, [victim], time_limit):
        running(pod_watch, "lost-victim", time_limit)
        with faults.inflict(Cut(link=uplink(lab, first_edge))):
            lost(lab, first_edge, time_limit)
            lab.kubectl.apply(
                [
                    pod("lost-plain", on(first_edge)),
                    pod("lost-urgent", on(first_edge), cpu=most, priority=HIGH),
                ],
                time_limit(60),
            )
            found = {
                name: decided(lab, pod_watch, name, time_limit)
                for name in ("lost-plain", "lost-urgent")
            }
            events = {name: events_of(lab, pod_watch, name, time_limit(60)) for name in found}
            preempted = is_to_be_deleted(lab, "lost-victim", time_limit)
        for name, verdict in found.items():
            assert verdict.passed, str(verdict)
            assert not verdict.node, str(verdict)
            assert any(
                event.startswith(PENDING_REASON) and UNTOLERATED in event for event in events[name]
            ), events[name]
        assert not preempted, "a pod was preempted on a node that nothing can be placed on"
        for name in found:
            running(pod_watch, name, time_limit)
        gone(pod_watch, "lost-victim", time_limit)
        after = judge_preemption(
            *(pod_watch.events("lost-urgent"), pod_watch.events("lost-victim")),
            grace_s=GRACE_SECONDS,
            exit_code=SIGTERM_EXIT_CODE,
        )
    allure.attach(str(after), "preemption after the heal", allure.attachment_type.TEXT)
    measure(
        "high-priority pod of a lost node running after",
        after.running_after_s,
        unit="s",
        better="lower",
        node=first_edge,
        reason="" if after.running_after_s is not None else "it was not seen",
    )
    assert after.passed, str(after)


@allure.title("A pod bound by name to a node that is lost is detected (control)")
def test_a_pod_bound_to_a_lost_node_is_found(
    lab: Lab, first_edge: str, faults: FaultEngine, time_limit: TimeLimit
) -> None:
    with placed(lab, [], time_limit), faults.inflict(Cut(link=uplink(lab, first_edge))):
        lost(lab, first_edge, time_limit)
        lab.kubectl.apply(pod("lost-bound", {"nodeName": first_edge}), time_limit(60))
        limit = time_limit(60)
        found = placement(
            lab.kubectl.get_json("pod", "lost-bound", "-n", NAMESPACE, deadline=limit),
            lab.kubectl.items("nodes", deadline=limit),
        )
    assert not found.passed, str(found)
    assert UNREACHABLE in found.refused[first_edge]
