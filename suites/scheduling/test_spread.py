"""Pods of one topology spread constraint, with all nodes and while one is lost."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import allure
import pytest

from edge_lab.addons.workload import NAMESPACE
from edge_lab.faults.engine import FaultEngine
from edge_lab.faults.kinds import Cut
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.outcomes import eventually
from edge_lab.observe.scheduling.podwatch import PodWatch
from edge_lab.oracles.scheduling.spread import Spread, spread
from edge_lab.oracles.scheduling.stages import Moment
from suites.edges import uplink
from suites.scheduling.decisions import DECIDED_SECONDS, is_decided
from suites.scheduling.lost import lost
from suites.scheduling.objects import events_of, placed, pod

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [allure.parent_suite("Scheduling"), allure.feature("Topology spread")]

HOSTNAME = "kubernetes.io/hostname"
GROUP = "edge-lab.local/spread"


def spread_pods(group: str, count: int, **policy: str) -> list[dict[str, Any]]:
    """Pods that have to be spread over all nodes, with a skew of one at most."""
    constraint = {
        "maxSkew": 1,
        "topologyKey": HOSTNAME,
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {GROUP: group}},
        **policy,
    }
    found = []
    for number in range(count):
        manifest = pod(f"{group}-{number}", {"topologySpreadConstraints": [constraint]})
        manifest["metadata"]["labels"][GROUP] = group
        found.append(manifest)
    return found


def decided(
    lab: Lab, watch: PodWatch, manifests: Sequence[dict[str, Any]], time_limit: TimeLimit
) -> Spread:
    """The verdict once the scheduler has decided on each of the pods."""
    for name in names_of(manifests):
        eventually(
            f"the scheduler has decided on {name}",
            partial(is_decided, lab, watch, name, time_limit),
            time_limit(DECIDED_SECONDS),
        )
    return judged(lab, watch, manifests, time_limit)


def names_of(manifests: Sequence[dict[str, Any]]) -> list[str]:
    return [manifest["metadata"]["name"] for manifest in manifests]


def judged(
    lab: Lab, watch: PodWatch, manifests: Sequence[dict[str, Any]], time_limit: TimeLimit
) -> Spread:
    """The verdict on the pods as they are."""
    names, limit = names_of(manifests), time_limit(60)
    found = spread(
        [lab.kubectl.get_json("pod", name, "-n", NAMESPACE, deadline=limit) for name in names],
        lab.kubectl.items("nodes", deadline=limit),
        {name: events_of(lab, watch, name, time_limit(60)) for name in names},
    )
    allure.attach(str(found), "spread", allure.attachment_type.TEXT)
    return found


@pytest.mark.scenario("topology spread")
@allure.title("Pods of one topology spread constraint are spread evenly over the nodes")
def test_pods_are_spread_evenly(lab: Lab, pod_watch: PodWatch, time_limit: TimeLimit) -> None:
    manifests = spread_pods("even", 2 * len(lab.topology.nodes))
    with placed(lab, manifests, time_limit):
        found = decided(lab, pod_watch, manifests, time_limit)
    assert found.passed, str(found)
    assert not found.pending, str(found)
    assert found.skew == 0, str(found)


@pytest.mark.scenario("topology spread, a node is lost")
@allure.title("A lost node keeps pods pending, unless their constraint honors taints")
def test_a_lost_node_counts_unless_taints_are_honored(
    lab: Lab, faults: FaultEngine, pod_watch: PodWatch, time_limit: TimeLimit
) -> None:
    node = lab.topology.edges[0].name
    left = len(lab.topology.nodes) - 1
    counting = spread_pods("counting", 2 * left)
    honoring = spread_pods("honoring", 2 * left, nodeTaintsPolicy="Honor")
    with placed(lab, [], time_limit):
        with faults.inflict(Cut(link=uplink(lab, node))):
            lost(lab, node, time_limit)
            lab.kubectl.apply([*counting, *honoring], time_limit(60))
            default = decided(lab, pod_watch, counting, time_limit)
            honored = decided(lab, pod_watch, honoring, time_limit)
        assert default.passed, str(default)
        # The lost node has none, so each other one may have one: the rest waits for it.
        assert len(default.pending) == left, str(default)
        assert honored.passed, str(honored)
        assert not honored.pending, str(honored)
        for name in default.pending:
            eventually(
                f"{name} is bound after the heal",
                partial(pod_watch.has, name, Moment.SCHEDULED),
                time_limit(DECIDED_SECONDS),
            )
        after = decided(lab, pod_watch, counting, time_limit)
    assert after.passed, str(after)


@allure.title("Pods that are all on one node are not taken for spread (control)")
def test_pods_that_bypass_the_scheduler_are_found(
    lab: Lab, pod_watch: PodWatch, time_limit: TimeLimit
) -> None:
    node = lab.topology.edges[0].name
    manifests = spread_pods("bypassing", 2)
    for manifest in manifests:
        manifest["spec"]["nodeName"] = node
    with placed(lab, manifests, time_limit):
        found = judged(lab, pod_watch, manifests, time_limit)
    assert found.skew == 2
    assert not found.passed
