"""Memory that is taken by the hypervisor, on a machine that is a few lines of Python."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import InputError, LabError
from edge_lab.faults.families.memory import guest
from edge_lab.faults.families.memory.injector import MemoryInjector
from edge_lab.faults.kinds import MemoryBalloon
from edge_lab.faults.undo import StillActive
from edge_lab.topology import Topology, parse_topology
from tests.external.topologies import EXTERNAL
from tests.faults.plans import TOPOLOGY
from tests.looks import looks

NODE = "edge-arm"
TOTAL, AVAILABLE = 1971, 1400
"""MiB."""


@dataclass
class FakeMachine:
    """As much of a machine as its balloon is; MiB."""

    name: str = NODE
    obeys: bool = True
    """Its driver does what the hypervisor asks for."""
    deflates: bool = True
    reports: bool = True
    """MemTotal falls by what the hypervisor has."""
    has_driver: bool = True
    answers: bool = True
    held: int = 0
    target: int = 0
    lost_mib: int = 0
    """Taken by others for good."""
    recorded: bool = False
    done: list[str] = field(default_factory=list)

    def set_balloon(self, mib: int) -> None:
        self.done.append(f"balloon {mib}")
        self.target = mib

    def balloon_mib(self) -> float:
        if self.obeys and self.target > self.held:
            self.held = min(self.target, self.held + 300)
        elif self.deflates and self.target < self.held:
            self.held = max(self.target, self.held - 300)
        return self.held

    def run(self, command: str, deadline: Deadline, check: bool = True) -> SimpleNamespace:
        return SimpleNamespace(stdout=self._answer(command))

    def _answer(self, command: str) -> str:
        if "modprobe virtio_balloon" in command:
            if not self.answers:
                raise LabError("no answer")
            if command == guest.DEFLATABLE:
                return ""
            if not self.has_driver:
                raise LabError("modprobe: FATAL: Module virtio_balloon not found")
            self.recorded = True
            return ""
        if command == guest.FORGET:
            self.recorded = False
            return ""
        assert "is-active" in command
        gone = self.held if self.reports else 0
        lines = [
            "active inactive",
            f"MemTotal: {(TOTAL - gone) * 1024} kB",
            f"MemAvailable: {(AVAILABLE - gone - self.lost_mib) * 1024} kB",
            "MemFree: 1000 kB",
            "Cached: 2000 kB",
            "pgsteal_kswapd 7",
            *([f"before {AVAILABLE * 1024}"] if self.recorded else []),
        ]
        return "\n".join(lines)

    def boots(self) -> None:
        """What a boot of the guest leaves: the hypervisor still has the memory."""
        self.recorded = False


def faults_on(machine: FakeMachine) -> MemoryInjector:
    machines: Any = {NODE: machine}
    return MemoryInjector(machines, looks)


EACH = [MemoryBalloon(node=NODE, mib=900), MemoryBalloon(node=NODE, leave_mib=60)]
by_title = pytest.mark.parametrize("fault", EACH, ids=lambda fault: fault.title)


@by_title
def test_memory_is_taken_seen_from_both_sides_and_given_back(fault: MemoryBalloon) -> None:
    machine = FakeMachine()
    faults = faults_on(machine)
    target = fault.mib or AVAILABLE - 60
    assert f"the hypervisor holds {target} MiB" in faults.inject(fault)
    assert machine.held == target
    assert faults.heal(fault)
    assert (machine.held, machine.recorded) == (0, False)
    assert machine.done == [f"balloon {target}", "balloon 0"]


@by_title
def test_a_balloon_without_effect_is_a_lab_error_and_is_deflated(fault: MemoryBalloon) -> None:
    machine = FakeMachine(obeys=False)
    with pytest.raises(LabError) as caught:
        faults_on(machine).inject(fault)
    assert not isinstance(caught.value, StillActive)
    assert machine.done[-1] == "balloon 0"


def test_what_the_hypervisor_says_alone_is_no_proof() -> None:
    machine = FakeMachine(reports=False)
    with pytest.raises(LabError):
        faults_on(machine).inject(EACH[0])
    assert machine.held == 0


def test_a_guest_without_the_driver_is_a_lab_error() -> None:
    machine = FakeMachine(has_driver=False)
    with pytest.raises(LabError, match="virtio_balloon"):
        faults_on(machine).inject(EACH[0])
    assert machine.held == 0


@by_title
def test_a_balloon_that_stays_full_is_a_lab_error_and_can_be_healed_again(
    fault: MemoryBalloon,
) -> None:
    machine = FakeMachine()
    faults = faults_on(machine)
    faults.inject(fault)
    machine.deflates = False
    with pytest.raises(LabError):
        faults.heal(fault)
    machine.deflates = True
    assert faults.heal(fault)


def test_memory_that_does_not_come_back_is_a_lab_error() -> None:
    machine = FakeMachine()
    faults = faults_on(machine)
    faults.inject(EACH[0])
    machine.lost_mib = 400
    with pytest.raises(LabError):
        faults.heal(EACH[0])
    machine.lost_mib = 100
    assert faults.heal(EACH[0])


def test_a_boot_of_the_node_does_not_end_it_and_it_is_deflated_all_the_same() -> None:
    machine = FakeMachine()
    faults = faults_on(machine)
    faults.inject(EACH[0])
    machine.boots()
    assert machine.held == EACH[0].mib
    assert "booted since" in faults.heal(EACH[0])
    assert machine.held == 0


def test_a_node_that_does_not_answer_is_deflated_only_when_it_does() -> None:
    """Before its driver runs, it would not tell the hypervisor that the balloon is empty."""
    machine = FakeMachine()
    faults = faults_on(machine)
    faults.inject(EACH[0])
    machine.answers = False
    with pytest.raises(LabError):
        faults.heal(EACH[0])
    assert machine.target == EACH[0].mib
    machine.answers = True
    assert faults.heal(EACH[0])


@by_title
def test_a_check_changes_nothing(fault: MemoryBalloon) -> None:
    machine = FakeMachine()
    faults_on(machine).check(fault)
    assert machine.done == []


@pytest.mark.parametrize(
    ("machine", "fault"),
    [
        (FakeMachine(), MemoryBalloon(node=NODE, mib=1900)),
        (FakeMachine(), MemoryBalloon(node=NODE, leave_mib=1390)),
        (FakeMachine(held=200, target=200), MemoryBalloon(node=NODE, mib=400)),
    ],
    ids=["more than there is", "hardly anything", "already inflated"],
)
def test_what_could_not_be_seen_is_refused(machine: FakeMachine, fault: MemoryBalloon) -> None:
    for act in (faults_on(machine).check, faults_on(machine).inject):
        with pytest.raises(InputError):
            act(fault)
    assert machine.done == []


def objections(topology: Topology, node: str) -> list[str]:
    return [
        objection.message for objection in MemoryBalloon(node=node, mib=400).objections(topology)
    ]


def test_a_machine_that_the_lab_did_not_boot_has_no_balloon() -> None:
    (objection,) = objections(parse_topology(EXTERNAL), "board")
    assert "does not support 'balloon'" in objection
    assert objections(TOPOLOGY, NODE) == []
