"""Faults on devices, as the engine sets them: proved by the device and by a neighbour."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import InputError, LabError
from edge_lab.devices.faults import (
    AnyFault,
    BrownOut,
    Busy,
    Exceptions,
    Gone,
    Hang,
    Junk,
    Late,
    Reset,
    SessionDrop,
    Slow,
    SlowClock,
    Split,
    Untrusted,
)
from edge_lab.faults.families.device.injector import DeviceInjector
from edge_lab.faults.kinds import OnDevice
from edge_lab.faults.linkprober import LinkProber
from edge_lab.topology import Topology
from tests.looks import looks


@dataclass
class FakeDevice:
    """A device's control, and what a neighbour's connection meets."""

    obeys: bool = True
    clients: int = 2
    fault: AnyFault | None = None
    history: list[AnyFault | None] = field(default_factory=list)

    def set_fault(self, fault: AnyFault | None) -> SimpleNamespace:
        self.history.append(fault)
        if self.obeys or fault is None:
            self.fault = fault
        return self.status(Deadline.after(1))

    def wait_ready(self, deadline: Deadline) -> SimpleNamespace:
        return self.status(deadline)

    def status(self, deadline: Deadline) -> SimpleNamespace:
        fault = self.fault
        took = 1.0
        if isinstance(fault, Slow):
            took = fault.delay_ms
        if isinstance(fault, Split):
            took = (fault.pieces - 1) * fault.gap_ms
        reachable = not isinstance(fault, Gone | Exceptions | Junk | Late)
        return SimpleNamespace(
            fault=fault,
            reachable=reachable,
            trouble="" if reachable else "it does not answer",
            affected=4 if fault else 0,
            answer_ms=took if reachable else None,
            clients=self.clients,
            refused=1 if isinstance(fault, Untrusted) else 0,
            boots=2 if isinstance(fault, Reset | BrownOut | Hang) else 1,
            period_ms=1000,
            step_ms=1000 / fault.rate if isinstance(fault, SlowClock) else 1004.0,
        )

    # As the node that asks over the wire
    def run(self, command: str, deadline: Deadline, check: bool = True) -> SimpleNamespace:
        match self.fault:
            case Gone(how="silent"):
                return SimpleNamespace(stdout="lost\n")
            case Gone():
                return SimpleNamespace(stdout="refused\n")
            case _:
                return SimpleNamespace(stdout="connected\n")


def faults_on(topology: Topology, device: FakeDevice) -> DeviceInjector:
    devices: Any = {"boiler": device, "press": device}
    machines: Any = {node.name: device for node in topology.nodes}
    fabric: Any = None
    tools = LinkProber(topology, fabric, machines, looks)
    return DeviceInjector(tools, devices)


EACH = [
    OnDevice(device=device, does=does)
    for device, does in (
        ("boiler", Gone()),
        ("boiler", Gone(how="refused")),
        ("boiler", Slow(delay_ms=800)),
        ("boiler", Exceptions()),
        ("boiler", Junk(probability=0.5)),
        ("boiler", Split()),
        ("boiler", Late()),
        ("boiler", Busy()),
        ("boiler", Reset()),
        ("boiler", BrownOut()),
        ("boiler", Hang()),
        ("boiler", SlowClock()),
        ("press", SessionDrop()),
        ("press", Untrusted()),
    )
]
by_title = pytest.mark.parametrize("fault", EACH, ids=lambda fault: fault.title)


@by_title
def test_a_fault_is_set_seen_and_cleared(default_topology: Topology, fault: OnDevice) -> None:
    device = FakeDevice()
    faults = faults_on(default_topology, device)
    assert faults.inject(fault)
    assert device.fault == fault.does
    assert faults.heal(fault)
    assert device.fault is None


@by_title
def test_a_fault_without_effect_is_a_lab_error_and_is_cleared(
    default_topology: Topology, fault: OnDevice
) -> None:
    device = FakeDevice(obeys=False)
    with pytest.raises(LabError, match="no effect was seen"):
        faults_on(default_topology, device).inject(fault)
    assert device.history[-1] is None


def test_a_protocol_without_such_a_fault_says_which_has_it(default_topology: Topology) -> None:
    device = FakeDevice()
    with pytest.raises(InputError, match="modbus-tcp"):
        faults_on(default_topology, device).inject(OnDevice(device="boiler", does=Untrusted()))
    assert device.history == []


def test_sessions_cannot_be_dropped_where_nobody_is_connected(default_topology: Topology) -> None:
    with pytest.raises(LabError, match="no client is connected"):
        faults_on(default_topology, FakeDevice(clients=0)).inject(
            OnDevice(device="press", does=SessionDrop())
        )


def test_a_device_that_is_not_there_lists_those_that_are(default_topology: Topology) -> None:
    with pytest.raises(InputError, match="boiler, press"):
        faults_on(default_topology, FakeDevice()).inject(OnDevice(device="moon", does=Gone()))


@pytest.mark.parametrize(
    ("does", "changed"),
    [
        (Reset(), {"boots": 1}),
        (BrownOut(), {"boots": 1}),
        (Hang(), {"boots": 1}),
        (SlowClock(), {"step_ms": 1020.0}),
        (SlowClock(), {"affected": 3}),
        (SlowClock(), {"step_ms": None}),
    ],
)
def test_a_device_that_counts_an_effect_and_does_not_show_it_proves_nothing(
    default_topology: Topology, does: AnyFault, changed: dict[str, Any]
) -> None:
    class Pretending(FakeDevice):
        def status(self, deadline: Deadline) -> SimpleNamespace:
            status = super().status(deadline)
            if self.fault is not None:
                vars(status).update(changed)
            return status

    device = Pretending()
    with pytest.raises(LabError, match="no effect was seen"):
        faults_on(default_topology, device).inject(OnDevice(device="boiler", does=does))
    assert device.fault is None


def test_a_slow_clock_that_would_be_seen_too_late_is_refused(default_topology: Topology) -> None:
    slow = OnDevice(device="boiler", does=SlowClock(rate=0.1))
    (boiler, *others) = default_topology.devices
    lazy = boiler.model_copy(update={"period_ms": 10_000})
    topology = default_topology.model_copy(update={"devices": (lazy, *others)})
    assert not list(slow.objections(default_topology))
    (objection,) = slow.objections(topology)
    assert objection.field == "does"
    assert "period_ms" in objection.remedy
