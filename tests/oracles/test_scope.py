"""Which faults concern a node, and which nodes they stop: by what faults say of themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

import pytest

from edge_lab.devices.faults import Gone
from edge_lab.evidence.recording import Recording
from edge_lab.faults.claims import Claims
from edge_lab.faults.effects import NodeStop, Scope
from edge_lab.faults.fault import Fault
from edge_lab.faults.kinds import Cut, Drop, Kill, OnDevice, Pause, PowerOff, Profile, Reboot
from edge_lab.faults.objections import Objection
from edge_lab.oracles.case import faults_of
from edge_lab.oracles.sightings import sightings, stopped
from edge_lab.topology import Topology
from tests.oracles.recordings import NAMESPACE, NODE, POD, cut_and_healed, fault

OTHER = "edge-riscv"


class Foreign(Fault):
    """A fault of a family that no oracle has heard of."""

    family: ClassVar[str] = "foreign"
    fault: Literal["foreign"] = "foreign"
    acts_on: Scope
    halts: tuple[NodeStop, ...] = ()

    @property
    def title(self) -> str:
        return "foreign"

    @property
    def targets(self) -> frozenset[str]:
        return frozenset()

    @property
    def scope(self) -> Scope:
        return self.acts_on

    @property
    def stops(self) -> tuple[NodeStop, ...]:
        return self.halts

    def claims(self, topology: Topology) -> Claims:
        return Claims(self.targets)

    def objections(self, topology: Topology) -> Iterator[Objection]:
        yield from ()


def seen_with(what: Fault) -> Recording:
    record = fault(1, what, 60, 61, 150, 152)
    return cut_and_healed().model_copy(update={"faults": (record,)})


def concerns(what: Fault, node: str, concern: frozenset[str] | None) -> bool:
    return bool(faults_of(seen_with(what), node, concern))


NEAR = frozenset({NODE, "server", "arm-cloud"})


@pytest.mark.parametrize(
    ("what", "with_any", "with_near"),
    [
        (Cut(link="arm-cloud"), True, True),
        (Profile(link="riscv-cloud", name="3g"), True, False),
        (Drop(link="arm-cloud", direction="tx"), True, True),
        (Kill(node=NODE, service="kubelet.service"), True, True),
        (Kill(node=OTHER, service="kubelet.service"), True, False),
        (OnDevice(device="boiler", does=Gone()), False, False),
        (Foreign(acts_on=Scope()), True, True),
        (Foreign(acts_on=Scope(nodes=frozenset({OTHER}))), True, False),
        (Foreign(acts_on=Scope(nodes=frozenset({NODE, OTHER}))), True, True),
        (Foreign(acts_on=Scope(pods=frozenset({f"{NAMESPACE}/{POD}"}))), True, True),
        (Foreign(acts_on=Scope(pods=frozenset({f"{NAMESPACE}/another"}))), True, False),
        (Foreign(acts_on=Scope(devices=frozenset({"boiler"}))), False, False),
        (
            Foreign(acts_on=Scope(devices=frozenset({"boiler"}), links=frozenset({"arm-cloud"}))),
            True,
            True,
        ),
    ],
)
def test_a_fault_concerns_a_node_by_its_scope(what: Fault, with_any: bool, with_near: bool) -> None:
    assert concerns(what, NODE, None) is with_any
    assert concerns(what, NODE, NEAR) is with_near


def test_a_device_that_is_named_is_of_concern() -> None:
    gone = OnDevice(device="boiler", does=Gone())
    assert concerns(gone, NODE, frozenset({"boiler"}))
    assert not concerns(gone, NODE, frozenset({"press"}))


@pytest.mark.parametrize(
    ("what", "stop"),
    [
        (PowerOff(node=NODE), NodeStop(NODE)),
        (Pause(node=NODE), NodeStop(NODE, keeps_boot=True)),
        (Reboot(node=NODE), NodeStop(NODE, until_heal=False)),
        (Reboot(node=NODE, orderly=True), NodeStop(NODE, until_heal=False, sudden=False)),
    ],
    ids=str,
)
def test_what_stops_a_node_is_the_same_by_whatever_fault(what: Fault, stop: NodeStop) -> None:
    """The oracle sees what a fault says that it stops, and nothing else of it."""
    own = seen_with(what)
    foreign = seen_with(Foreign(acts_on=what.scope, halts=(stop,)))
    assert what.stops == (stop,)
    assert stopped(own, NODE) == stopped(foreign, NODE) != ()
    assert sightings(own, NODE) == sightings(foreign, NODE)
    assert stopped(own, OTHER) == stopped(foreign, OTHER) == ()


def test_a_fault_that_stops_nothing_darkens_nothing() -> None:
    kill = seen_with(Kill(node=NODE, service="kubelet.service"))
    assert stopped(kill, NODE) == ()
    assert sightings(kill, NODE) == sightings(cut_and_healed(), NODE)
    assert sightings(kill, NODE) != sightings(seen_with(PowerOff(node=NODE)), NODE)
