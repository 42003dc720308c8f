"""Resources that a node reserves for its system are not given to pods."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

import allure
import pytest

from edge_lab.core.errors import MissingCapability
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.nodes import LabNode
from edge_lab.fixtures.outcomes import eventually
from edge_lab.observe.scheduling.podwatch import PodWatch
from edge_lab.oracles.scheduling.placement import PENDING_REASON, free, quantity
from edge_lab.provisioning.provision import GuestFile
from edge_lab.stacks.kubelet import DROP_INS, EVICTION, KUBELET_UNIT
from suites.edges import is_ready
from suites.scheduling.decisions import bound, decided
from suites.scheduling.objects import events_of, on, placed, pod

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [allure.parent_suite("Scheduling"), allure.feature("Reservation")]

DROP_IN = f"{DROP_INS}/90-reservation.conf"
RESERVED = {
    "kubeReserved": {"cpu": "300m", "memory": "192Mi"},
    "systemReserved": {"cpu": "200m", "memory": "128Mi"},
}
PODS = "/sys/fs/cgroup/kubepods"
KNOWN_SECONDS = 180.0


def reserved(resource: str) -> Decimal:
    """The sum of both reservations."""
    return sum((quantity(part[resource]) for part in RESERVED.values()), Decimal(0))


def status(lab: Lab, node: LabNode, time_limit: TimeLimit) -> dict[str, Any]:
    found = lab.kubectl.get_json("node", node.name, deadline=time_limit(60))
    return dict(found["status"])


def difference(lab: Lab, node: LabNode, resource: str, time_limit: TimeLimit) -> Decimal:
    """Between the capacity of the node and what pods may have of it."""
    found = status(lab, node, time_limit)
    return quantity(found["capacity"][resource]) - quantity(found["allocatable"][resource])


@contextlib.contextmanager
def reserving(lab: Lab, node: LabNode, time_limit: TimeLimit) -> Iterator[None]:
    """The node's kubelet has the reservations while the block runs, and the API server shows it."""
    if KUBELET_UNIT not in lab.stack.runtime.agents:
        raise MissingCapability(f"{lab.stack_name} has no kubelet with drop-in files")
    before = difference(lab, node, "cpu", time_limit)

    def restarted(expected: Decimal) -> None:
        node.output(f"systemctl restart {KUBELET_UNIT}", seconds=120)
        eventually(
            f"{node} is Ready, with {expected} CPUs reserved",
            lambda: (
                difference(lab, node, "cpu", time_limit) == expected
                and is_ready(lab, node.name, time_limit)
            ),
            time_limit(KNOWN_SECONDS),
            every=1.0,
        )

    header = {"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration"}
    node.machine.write(GuestFile.text(DROP_IN, json.dumps(header | RESERVED)))
    try:
        restarted(before + reserved("cpu"))
        yield
    finally:
        node.output(f"rm -f {DROP_IN}")
        restarted(before)


@pytest.mark.scenario("reservation")
@allure.title("Pods are not given what {edge_node} reserves for its system")
def test_what_is_reserved_is_not_given_to_pods(
    lab: Lab, edge_node: LabNode, pod_watch: PodWatch, time_limit: TimeLimit
) -> None:
    capacity = quantity(status(lab, edge_node, time_limit)["capacity"]["memory"])
    threshold = quantity(EVICTION["memory.available"])
    # It fits on the node as it is, and not beside the reservation.
    request = capacity - threshold - reserved("memory") // 2
    large = partial(large_pod, edge_node.name, request - taken(lab, edge_node, time_limit))
    with placed(lab, [large("fits")], time_limit):
        assert bound(lab, pod_watch, "fits", time_limit).node == edge_node.name
    with reserving(lab, edge_node, time_limit):
        assert difference(lab, edge_node, "memory", time_limit) == (reserved("memory") + threshold)
        limit = Decimal(edge_node.output(f"cat {PODS}/memory.max"))
        assert limit == capacity - reserved("memory")
        with placed(lab, [large("too-large")], time_limit):
            found = decided(lab, pod_watch, "too-large", time_limit)
            events = events_of(lab, pod_watch, "too-large", time_limit(60))
        assert found.passed, str(found)
        assert not found.node, str(found)
        assert any(
            event.startswith(PENDING_REASON) and "Insufficient memory" in event for event in events
        ), events


def taken(lab: Lab, node: LabNode, time_limit: TimeLimit) -> Decimal:
    """The memory that pods on the node request."""
    limit = time_limit(60)
    pods = lab.kubectl.items("pods", "-A", deadline=limit)
    found = lab.kubectl.get_json("node", node.name, deadline=limit)
    return quantity(found["status"]["allocatable"]["memory"]) - free(found, "memory", pods)


def large_pod(node: str, memory: Decimal, name: str) -> dict[str, Any]:
    """A pod that requests so many bytes, and uses few."""
    manifest = pod(name, on(node))
    manifest["spec"]["containers"][0]["resources"] = {"requests": {"memory": str(int(memory))}}
    return manifest


@allure.title("A kubelet that reserves nothing is detected (control)")
def test_a_kubelet_without_a_reservation_is_found(
    lab: Lab, time_limit: TimeLimit, lab_node: Callable[[str], LabNode]
) -> None:
    node = lab_node(lab.topology.edges[0].name)
    assert difference(lab, node, "memory", time_limit) < reserved("memory")
    assert Decimal(node.output(f"cat {PODS}/memory.max")) > (
        quantity(status(lab, node, time_limit)["capacity"]["memory"]) - reserved("memory")
    )
