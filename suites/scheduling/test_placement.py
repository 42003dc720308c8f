"""Pods are placed where they may be and nowhere else; what fits nowhere waits, and says why."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from itertools import count
from typing import TYPE_CHECKING, Any

import allure
import pytest

from edge_lab.addons.workload import NAMESPACE
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.nodes import LabNode
from edge_lab.fixtures.outcomes import eventually
from edge_lab.observe.scheduling.podwatch import PodWatch
from edge_lab.oracles.scheduling.placement import PENDING_REASON, placement
from suites.scheduling.decisions import DECIDED_SECONDS, bound, decided
from suites.scheduling.objects import events_of, on, placed, pod

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [allure.parent_suite("Scheduling"), allure.feature("Placement")]

TAINT = "edge-lab.local/reserved"
LABEL = "edge-lab.local/line"


@contextlib.contextmanager
def altered(
    lab: Lab, node: str, change: dict[str, Any], back: dict[str, Any], limit: TimeLimit
) -> Iterator[None]:
    """The node object is otherwise while the block runs, and as before after it."""
    try:
        # A change whose answer does not come in time may have been made all the same.
        lab.kubectl.patch("node", node, patch=change, deadline=limit(60))
        yield
    finally:
        lab.kubectl.patch("node", node, patch=back, deadline=limit(60))


def affinity(key: str, value: str) -> dict[str, Any]:
    rule = {"key": key, "operator": "In", "values": [value]}
    terms = {"nodeSelectorTerms": [{"matchExpressions": [rule]}]}
    return {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}}


@pytest.mark.core
@pytest.mark.scenario("placement by architecture")
@allure.title("A pod for the architecture of {edge_node} is placed on a node of that architecture")
def test_a_pod_is_placed_by_architecture(
    lab: Lab, edge_node: LabNode, pod_watch: PodWatch, time_limit: TimeLimit
) -> None:
    name, arch = f"arch-{edge_node.name}", edge_node.spec.arch.go
    with placed(lab, [pod(name, affinity("kubernetes.io/arch", arch))], time_limit):
        found = bound(lab, pod_watch, name, time_limit)
        assert found.passed, str(found)


@pytest.mark.core
@pytest.mark.scenario("placement by label")
@allure.title("A pod is placed on the node that is given its label")
def test_a_pod_is_placed_by_label(lab: Lab, pod_watch: PodWatch, time_limit: TimeLimit) -> None:
    node = lab.topology.edges[-1].name
    labels = {"metadata": {"labels": {LABEL: "press"}}}
    nothing = {"metadata": {"labels": {LABEL: None}}}
    with (
        altered(lab, node, labels, nothing, time_limit),
        placed(lab, [pod("labelled", {"nodeSelector": {LABEL: "press"}})], time_limit),
    ):
        found = bound(lab, pod_watch, "labelled", time_limit)
        assert found.passed, str(found)
        assert found.node == node


@pytest.mark.core
@pytest.mark.scenario("taint and toleration")
@allure.title("A tainted node accepts only pods that tolerate the taint")
def test_a_taint_keeps_pods_away_that_do_not_tolerate_it(
    lab: Lab, pod_watch: PodWatch, time_limit: TimeLimit
) -> None:
    node = lab.topology.edges[0].name
    before = lab.kubectl.get_json("node", node, deadline=time_limit(60))["spec"].get("taints", [])
    taint = {"key": TAINT, "value": "yes", "effect": "NoSchedule"}
    toleration = {"key": TAINT, "operator": "Equal", "value": "yes", "effect": "NoSchedule"}
    tolerant = {**on(node), "tolerations": [toleration]}
    with (
        altered(
            *(lab, node, {"spec": {"taints": [*before, taint]}}),
            *({"spec": {"taints": before or None}}, time_limit),
        ),
        placed(lab, [], time_limit),
    ):
        canaries = count()

        def refused() -> bool:
            name = f"canary-{next(canaries)}"
            lab.kubectl.apply(pod(name, on(node)), time_limit(60))
            return not decided(lab, pod_watch, name, time_limit).node

        # One that was bound before the scheduler knew of the taint is no wrong placement.
        eventually("the scheduler knows of the taint", refused, time_limit(DECIDED_SECONDS))
        pods = [pod("tolerant", tolerant), pod("intolerant", on(node))]
        lab.kubectl.apply(pods, time_limit(60))
        allowed = bound(lab, pod_watch, "tolerant", time_limit)
        assert allowed.passed, str(allowed)
        assert allowed.node == node
        kept_away = decided(lab, pod_watch, "intolerant", time_limit)
        assert kept_away.passed, str(kept_away)
        assert not kept_away.node


@pytest.mark.core
@pytest.mark.scenario("unschedulable pod")
@pytest.mark.parametrize(
    ("name", "spec", "cpu", "reason"),
    [
        pytest.param("too-large", {}, "64", "Insufficient cpu", id="cpu"),
        pytest.param(
            *("no-such-node", {"nodeSelector": {LABEL: "nowhere"}}, "", "didn't match"), id="label"
        ),
    ],
)
@allure.title("An unschedulable pod stays Pending, and an event names the reason: {reason}")
def test_what_fits_nowhere_waits_and_says_why(
    lab: Lab,
    pod_watch: PodWatch,
    time_limit: TimeLimit,
    name: str,
    spec: dict[str, Any],
    cpu: str,
    reason: str,
) -> None:
    with placed(lab, [pod(name, spec, cpu=cpu)], time_limit):
        found = decided(lab, pod_watch, name, time_limit)
        assert found.passed, str(found)
        assert not found.node
        events = events_of(lab, pod_watch, name, time_limit(60))
        said = [event for event in events if event.startswith(PENDING_REASON)]
        assert any(reason in event for event in said), said


@pytest.mark.core
@allure.title("A pod on the wrong node, which the scheduler did not place, is detected (control)")
def test_a_pod_that_bypasses_the_scheduler_is_found_on_the_wrong_node(
    lab: Lab, pod_watch: PodWatch, time_limit: TimeLimit
) -> None:
    node = lab.topology.edges[0]
    wrong = affinity("kubernetes.io/arch", "not-" + node.arch.go)
    with placed(lab, [pod("bypassing", {**wrong, "nodeName": node.name})], time_limit):
        limit = time_limit(60)
        found = placement(
            lab.kubectl.get_json("pod", "bypassing", "-n", NAMESPACE, deadline=limit),
            lab.kubectl.items("nodes", deadline=limit),
        )
    assert not found.passed
    assert node.name in found.refused
