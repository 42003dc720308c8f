"""The plant models: bounded, deterministic, and able to go on from a dumped state."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_lab.devices.plant import PLANTS, Boiler, Plant, Press
from edge_lab.devices.points import (
    SETPOINT_REGISTER,
    Kind,
    Point,
    block_of,
    node_id,
    read_block,
    registers_of,
)
from tests.budget import examples

plants = st.sampled_from(sorted(PLANTS)).map(PLANTS.__getitem__)
seeds = st.integers(0, 2**32)


def run(plant: Plant[Any], seed: int, steps: int, setpoint: float, seconds: float) -> list[Any]:
    states = [plant.initial(seed)]
    for seq in range(1, steps + 1):
        states.append(plant.advance(states[-1], setpoint, seconds, seed, seq))
    return states


@settings(max_examples=examples(40))
@given(plants, seeds, st.floats(0, 1), st.sampled_from([0.05, 0.5, 1.0, 7.3, 60.0]))
def test_all_readings_stay_within_what_their_registers_carry(
    plant: Plant[Any], seed: int, share: float, seconds: float
) -> None:
    setpoint = plant.setpoint.low + share * (plant.setpoint.high - plant.setpoint.low)
    for state in run(plant, seed, 60, setpoint, seconds):
        values = plant.readings(state)
        assert set(values) | {plant.setpoint.point.name} == {each.name for each in plant.points}
        for point in plant.points:
            if point.name in values:
                low, high = point.kind.bounds
                assert low <= values[point.name] * 10**point.digits <= high


@settings(max_examples=examples(25))
@given(seeds, st.floats(40, 95), st.sampled_from([0.1, 1.0, 10.0]))
def test_the_boiler_stays_between_cold_and_boiling(
    seed: int, setpoint: float, seconds: float
) -> None:
    for state in run(Boiler(), seed, 100, setpoint, seconds):
        assert 5 <= state.temperature <= 110
        assert 0.5 <= state.pressure <= 6
        assert 20 <= state.valve <= 100


def test_the_boiler_comes_to_its_setpoint_and_stays_near_it() -> None:
    boiler = Boiler()
    reached = run(boiler, 11, 600, 85.0, 1.0)[300:]
    assert all(85 - 5 < state.temperature < 85 + 5 for state in reached)
    assert {state.heater for state in reached} == {0, 1}


def test_the_pressure_follows_the_temperature() -> None:
    cold, hot = (run(Boiler(), 11, 600, setpoint, 1.0)[-1] for setpoint in (45.0, 90.0))
    assert hot.pressure > cold.pressure + 0.5


@settings(max_examples=examples(25))
@given(seeds, st.floats(50, 500), st.sampled_from([0.1, 0.5, 1.0]))
def test_the_press_goes_through_its_phases_in_order(
    seed: int, setpoint: float, seconds: float
) -> None:
    states = run(Press(), seed, 300, setpoint, seconds)
    for before, after in pairwise(states):
        assert after.phase in (before.phase, (before.phase + 1) % 4)
        finished = before.phase == Press.OPENING and after.phase == Press.LOADING
        assert after.parts == before.parts + finished
        assert 0 <= after.position <= Press.STROKE
        assert 0 <= after.force <= 520
    assert states[-1].parts > 0


@given(plants, seeds)
def test_the_same_seed_gives_the_same_run(plant: Plant[Any], seed: int) -> None:
    setpoint = plant.setpoint.initial
    assert run(plant, seed, 10, setpoint, 1.0) == run(plant, seed, 10, setpoint, 1.0)


@pytest.mark.parametrize("name", sorted(PLANTS))
def test_another_seed_gives_another_run(name: str) -> None:
    plant = PLANTS[name]
    setpoint = plant.setpoint.initial
    assert run(plant, 1, 10, setpoint, 1.0)[-1] != run(plant, 2, 10, setpoint, 1.0)[-1]


@given(plants, seeds, st.integers(1, 15))
def test_a_dumped_state_goes_on_as_if_nothing_had_happened(
    plant: Plant[Any], seed: int, cut: int
) -> None:
    setpoint = plant.setpoint.initial
    whole = run(plant, seed, 20, setpoint, 1.0)
    state = plant.load(json.loads(json.dumps(plant.dump(whole[cut]))))
    for seq in range(cut + 1, 21):
        state = plant.advance(state, setpoint, 1.0, seed, seq)
    assert state == whole[20]


def test_a_state_of_another_plant_is_refused() -> None:
    with pytest.raises(ValueError, match="not a state of a boiler"):
        Boiler().load(Press().dump(Press().initial(1)))


# -- points ------------------------------------------------------------------------------


@given(st.sampled_from(Kind), st.data())
def test_registers_hold_each_value_of_their_kind(kind: Kind, data: st.DataObject) -> None:
    raw = data.draw(st.integers(*kind.bounds))
    registers = kind.to_registers(raw)
    assert len(registers) == kind.registers
    assert all(0 <= register < 2**16 for register in registers)
    assert kind.from_registers(registers) == raw


@given(plants, st.integers(0, 2**32 - 1), st.data())
def test_a_block_is_one_whole_sample(plant: Plant[Any], seq: int, data: st.DataObject) -> None:
    raw = {point.name: data.draw(st.integers(*point.kind.bounds)) for point in plant.points}
    block = block_of(plant.points, seq, raw)
    assert read_block(plant.points, block) == (seq, raw)


@pytest.mark.parametrize("name", sorted(PLANTS))
def test_the_block_has_no_gap_and_ends_before_the_setpoint_register(name: str) -> None:
    registers = registers_of(PLANTS[name].points)
    for before, after in pairwise(registers):
        assert after.address == before.address + before.point.kind.registers
    assert registers[0].address == 0
    assert registers[-1].address + 2 < SETPOINT_REGISTER


def test_the_documented_register_map_of_the_boiler_is_the_real_one() -> None:
    assert {each.point.name: each.address for each in registers_of(Boiler().points)} == {
        "sequence": 0,
        "temperature": 2,
        "pressure": 3,
        "flow": 4,
        "valve": 5,
        "heater": 6,
        "setpoint": 7,
        "energy": 8,
    }
    assert node_id("press", "force") == "ns=2;s=press.force"


@given(st.integers(0, 2**16 - 1), st.integers(0, 3))
def test_a_value_in_its_unit_is_exact_for_its_raw_number(raw: int, digits: int) -> None:
    point = Point("any", "", digits=digits)
    assert point.raw(point.value(raw)) == raw


def test_a_value_out_of_range_is_held_at_the_bound() -> None:
    assert Point("any", "", digits=1).raw(1e9) == 2**16 - 1
    assert Point("any", "", digits=1).raw(-3) == 0
