"""Kubelets that believe to be registered, and a cluster that does not know them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from edge_lab.cluster.access import ClusterAccess
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.stacks.registration import REGISTERED, Registrations
from edge_lab.topology import Topology
from tests.stacks.test_readiness import Answer

UNITS = {"edge-arm": ("yurthub.service", "kubelet.service"), "edge-riscv": ("edgecore.service",)}


@dataclass
class Node:
    """A machine whose kubelet says in its `start` that it has registered; empty if it has not."""

    start: str = ""
    busy: bool = False
    restarted: int = 0
    asked: list[str] = field(default_factory=list)

    def run(self, command: str, deadline: Deadline, check: bool = True) -> Answer:
        if self.busy:
            raise LabError("ssh: timed out")
        self.asked.append(command)
        if command == REGISTERED:
            return Answer(f"{self.start}\n" if self.start else "", 0 if self.start else 1)
        assert command == "systemctl restart kubelet.service"
        self.restarted += 1
        return Answer("")


@pytest.fixture
def machine() -> Node:
    return Node(start="1a")


@pytest.fixture
def stranger() -> Node:
    """A machine that runs no kubelet; it must not be asked for one."""
    return Node(start="9z")


@pytest.fixture
def registrations(machine: Node, stranger: Node, default_topology: Topology) -> Registrations:
    nobody: Any = None
    cluster = ClusterAccess(nobody, {"edge-arm": machine, "edge-riscv": stranger}, default_topology)
    return Registrations(cluster, UNITS, Deadline.after(5), every=0.0)


def test_a_kubelet_that_registered_with_nobody_is_started_anew(
    machine: Node, registrations: Registrations
) -> None:
    registrations.look(["edge-arm"])
    assert machine.restarted == 0  # its node may come a moment after it was asked for
    registrations.look(["edge-arm"])
    assert machine.restarted == 1
    machine.start = "2b"  # the new start has a chance of its own
    registrations.look(["edge-arm"])
    assert machine.restarted == 1
    registrations.look(["edge-arm"])
    assert machine.restarted == 2


def test_a_kubelet_whose_node_has_come_is_left_alone(
    machine: Node, registrations: Registrations
) -> None:
    registrations.look(["edge-arm"])
    registrations.look([])
    registrations.look(["edge-arm"])
    assert machine.restarted == 0


def test_a_kubelet_that_has_not_registered_yet_is_left_alone(
    machine: Node, registrations: Registrations
) -> None:
    machine.start = ""
    for _ in range(3):
        registrations.look(["edge-arm"])
    assert machine.restarted == 0


def test_a_machine_too_busy_to_answer_and_one_without_a_kubelet_are_left_alone(
    machine: Node, stranger: Node, registrations: Registrations
) -> None:
    machine.busy = True
    for _ in range(3):
        registrations.look(["edge-arm", "edge-riscv", "server"])
    assert machine.asked == []
    assert machine.restarted == 0
    assert stranger.asked == []
    # A look in vain is no belief: it takes two good ones.
    machine.busy = False
    registrations.look(["edge-arm"])
    assert machine.asked == [REGISTERED]
    assert machine.restarted == 0


def test_machines_are_not_looked_at_all_the_time(
    machine: Node, registrations: Registrations
) -> None:
    registrations.every = 60
    registrations.look(["edge-arm"])
    assert machine.asked == []
