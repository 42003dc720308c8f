"""Faults of serial lines, on a line that is a few lines of Python."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import InputError, LabError
from edge_lab.devices.serial.faults import LineStates, SerialAnswer, SerialStatus, WayCounters
from edge_lab.faults.catalog import kind_named
from edge_lab.faults.families.serial.injector import SerialInjector
from edge_lab.faults.families.serial.kinds import SerialFault
from edge_lab.faults.families.serial.prooftime import (
    CHARACTERS_HIT,
    MISSED,
    MOST_PROOF_SECONDS,
    least_probability,
    proof_seconds,
    read_seconds,
)
from edge_lab.faults.kinds import SerialBreak, SerialLoss, SerialNoise, SerialParity
from edge_lab.faults.limits import PROOF_SECONDS
from edge_lab.topology import Parity, SerialOptions, Topology, parse_topology
from tests.faults.plans import plan_of
from tests.faults.plans import refusal as plan_refusal
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
    lines = {"boiler": SerialOptions()}
    return SerialInjector(devices, lines, lambda _: Deadline.after(seconds))


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


# -- rare faults of slow lines ---------------------------------------------------------------


def line_at(baud: int) -> Topology:
    return parse_topology(METER.replace("baud: 9600", f"baud: {baud}"))


@pytest.mark.parametrize("kind", [SerialNoise, SerialLoss, SerialParity])
@pytest.mark.parametrize("direction", ["both", "rx", "tx"])
def test_what_is_too_rare_for_a_slow_line_is_refused_and_what_is_named_is_not(
    kind: Any, direction: str
) -> None:
    rare = kind(device="boiler", probability=0.001, direction=direction)
    (objection,) = rare.objections(line_at(300))
    assert objection.field == "probability"
    least = least_probability(SerialOptions(baud=300, parity=Parity.NONE), direction)
    enough = rare.model_copy(update={"probability": least})
    assert not list(enough.objections(line_at(300)))
    assert not list(rare.objections(line_at(19_200)))


def test_a_plan_with_a_fault_that_is_too_rare_is_refused_with_line_and_remedy() -> None:
    met = plan_refusal(
        plan_of(
            "{fault: serial-loss, device: boiler, probability: 0.05, at: 1s, for: 2m}",
            "{fault: serial-noise, device: boiler, probability: 0.001, at: 6m, for: 2m}",
        ),
        line_at(300),
    )
    assert met.line == 6
    assert met.remedy


def test_a_break_is_seen_on_any_line() -> None:
    assert not list(SerialBreak(device="boiler").objections(line_at(300)))
    slow = SerialOptions(baud=300)
    assert SerialBreak(device="boiler").proof_seconds(slow) == PROOF_SECONDS


@given(
    st.sampled_from([300, 600, 1_200, 2_400, 9_600, 115_200]),
    st.sampled_from(["both", "rx", "tx"]),
    st.floats(0.001, 1),
)
def test_a_proof_makes_enough_reads_or_is_refused(
    baud: int, direction: str, probability: float
) -> None:
    line = SerialOptions(baud=baud)
    seconds = proof_seconds(line, direction, probability)
    characters = CHARACTERS_HIT[direction] * seconds / read_seconds(line)
    assert (1 - probability) ** characters <= MISSED * 1.0001
    assert seconds >= PROOF_SECONDS
    if probability >= least_probability(line, direction):
        assert seconds <= MOST_PROOF_SECONDS * 1.0001
    else:
        assert seconds > PROOF_SECONDS


def test_the_proof_of_a_rare_fault_lasts_longer_on_a_slow_line() -> None:
    asked: list[float] = []

    def limit(seconds: float) -> Deadline:
        asked.append(seconds)
        return Deadline.after(30)

    rare = SerialNoise(device="boiler", probability=0.002)
    devices: Any = {"boiler": FakeLine()}
    slow = SerialOptions(baud=600)
    SerialInjector(devices, {"boiler": slow}, limit).inject(rare)
    assert rare.proof_seconds(slow) in asked
    assert rare.proof_seconds(slow) > rare.proof_seconds(SerialOptions()) == PROOF_SECONDS
