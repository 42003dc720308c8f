"""Faults of serial lines, on a line that is a few lines of Python."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import InputError, LabError
from edge_lab.devices.serial.faults import LineStates, SerialAnswer, SerialStatus, WayCounters
from edge_lab.faults.catalog import kind_named
from edge_lab.faults.families.serial.injector import SerialInjector
from edge_lab.faults.families.serial.kinds import SerialFault
from edge_lab.faults.kinds import SerialBreak, SerialLoss, SerialNoise, SerialParity
from edge_lab.topology import Topology, parse_topology
from tests.small_topology import GOOD, refusal

EACH: list[SerialFault] = [
    SerialNoise(device="boiler", probability=0.01),
    SerialLoss(device="boiler", probability=1),
    SerialParity(device="boiler", probability=0.1, direction="rx"),
    SerialBreak(device="boiler"),
    SerialBreak(device="boiler", direction="tx"),
]
METER = GOOD.replace(
    "protocol: modbus-tcp", "protocol: modbus-rtu, serial: {baud: 9600, parity: none}"
)


@pytest.fixture
def topology() -> Topology:
    return parse_topology(METER)


@dataclass
class FakeLine:
    """As much of a device's client as a fault of its line needs."""

    obeys: bool = True
    counts: bool = True
    heals: bool = True
    works: bool = True
    states: LineStates = field(default_factory=LineStates)
    affected: int = 0

    def serial_status(self, deadline: Deadline | None = None) -> SerialStatus:
        return SerialStatus(
            port="tty",
            rx=WayCounters(characters=100, affected=self.affected),
            tx=WayCounters(),
            states=self.states,
            frames=0,
            discarded=0,
        )

    def set_serial(self, states: LineStates) -> SerialStatus:
        if self.heals or states != LineStates():
            self.states = states
        return self.serial_status()

    def ask_over_serial(self, deadline: Deadline | None = None) -> SerialAnswer:
        is_bad = self.states != LineStates() and self.obeys
        self.affected += is_bad and self.counts
        return SerialAnswer(
            answered=self.works and not is_bad, detail="a read", status=self.serial_status()
        )


def injector(line: FakeLine, seconds: float = 30) -> SerialInjector:
    devices: Any = {"boiler": line}
    return SerialInjector(devices, lambda _: Deadline.after(seconds))


@pytest.mark.parametrize("fault", EACH, ids=lambda fault: fault.title)
def test_each_proves_itself_and_its_heal(topology: Topology, fault: SerialFault) -> None:
    assert not list(fault.objections(topology))
    line = FakeLine()
    faults = injector(line)
    assert "1 characters affected" in faults.inject(fault)
    assert line.states == fault.states
    assert faults.heal(fault)
    assert line.states == LineStates()


@pytest.mark.parametrize(
    "line", [FakeLine(obeys=False), FakeLine(counts=False), FakeLine(works=False)], ids=str
)
def test_a_fault_without_effect_is_an_error_and_undone(line: FakeLine) -> None:
    with pytest.raises(LabError):
        injector(line, 0.05).inject(SerialBreak(device="boiler"))
    assert line.states == LineStates()


def test_a_line_that_stays_bad_is_not_healed() -> None:
    line = FakeLine()
    injector(line).inject(EACH[0])
    line.heals = False
    with pytest.raises(LabError):
        injector(line, 0.05).heal(EACH[0])


def test_directions_are_named_from_the_device() -> None:
    assert SerialBreak(device="boiler", direction="tx").states.rx == LineStates().rx
    assert SerialBreak(device="boiler", direction="rx").states.tx == LineStates().tx


def test_a_device_without_a_line_has_none_of_them() -> None:
    (objection,) = SerialBreak(device="boiler").objections(parse_topology(GOOD))
    assert objection.field == "device"


def test_an_unknown_device_is_named(topology: Topology) -> None:
    assert list(SerialBreak(device="oven").objections(topology))
    with pytest.raises(InputError):
        injector(FakeLine()).inject(SerialBreak(device="oven"))


def test_a_chance_that_shows_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="probability"):
        SerialNoise(device="boiler", probability=0.0001)


def test_a_plan_s_seed_is_theirs_unless_they_have_one() -> None:
    assert SerialNoise(device="boiler", probability=1).seeded(7).state.seed == 7
    assert SerialNoise(device="boiler", probability=1, seed=3).seeded(7).state.seed == 3


def test_they_are_in_the_catalog() -> None:
    for fault in EACH:
        assert kind_named(fault.fault) is type(fault)


def test_settings_of_a_line_are_for_a_device_that_has_one() -> None:
    mistake = refusal(METER.replace("protocol: modbus-rtu,", "protocol: modbus-tcp,"))
    assert "serial" in mistake.message
    assert mistake.line
    assert "port" in refusal(METER.replace("baud: 9600", "port: COM1")).message
