"""Modbus' application protocol on tables of a plant: any request is done whole, or refused."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge_lab.devices.modbus_pdu import carry_out, is_served
from edge_lab.devices.modbus_tables import PlantTables
from edge_lab.devices.plant import PLANTS
from edge_lab.devices.points import Value, coil
from edge_lab.devices.serving import Shown
from edge_lab.topology.device import WordOrder
from tests.devices.modbus_frames import read, write, write_more

SETPOINT = "100"


def plant_tables() -> tuple[PlantTables, Shown, list[tuple[str, Value]]]:
    """Tables, what they show, and what has been written to them."""
    plant, written = PLANTS["boiler"], list[tuple[str, Value]]()
    shown = Shown(
        plant,
        requested=600,
        seq=7,
        raw={point.name: number for number, point in enumerate(plant.points, 3)},
        on_write=lambda address, value: written.append((address, value)),
    )
    return PlantTables(shown, WordOrder.BIG), shown, written


near = st.integers(0, 20) | st.integers(90, 110) | st.integers(0, 0xFFFF)
numbers = st.lists(near, max_size=6).map(
    lambda words: b"".join(word.to_bytes(2, "big") for word in words)
)
odd = st.builds(
    lambda function, data, more: bytes((function,)) + data + more,
    st.sampled_from([1, 2, 3, 4, 5, 6, 8, 15, 16, 22, 23, 43]) | st.integers(0, 255),
    numbers,
    st.binary(max_size=6),
)


@given(st.binary(min_size=1, max_size=253) | odd)
def test_each_request_is_answered_and_what_is_refused_changes_nothing(request: bytes) -> None:
    tables, shown, written = plant_tables()
    answer = carry_out(request, tables)
    assert 2 <= len(answer) <= 253
    state = {SETPOINT: shown.requested} | {
        coil(number): int(on) for number, on in enumerate(shown.coils)
    }
    before = {SETPOINT: 600} | {coil(number): 0 for number in range(16)}
    assert state == before | dict(written)
    if request[0] >= 0x80 or answer[0] != request[0]:
        assert answer[0] == request[0] | 0x80
        assert answer[1:] in (b"\1", b"\2", b"\3")
        assert written == []
    if not is_served(request[0]):
        assert answer[1:] == b"\1"


@given(st.integers(0, 0xFFFF))
def test_a_coil_takes_two_values(value: int) -> None:
    tables, shown, written = plant_tables()
    answer = carry_out(write(value, 3, 5), tables)
    if value in (0, 0xFF00):
        assert answer == write(value, 3, 5)
        assert written == [("coil 3", int(value > 0))]
    else:
        assert answer == b"\x85\3"
        assert written == []
    assert shown.coils[3] is (value == 0xFF00)


@given(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF))
def test_a_mask_is_that_of_the_specification(keep: int, change: int) -> None:
    tables, shown, _ = plant_tables()
    wanted = 600 & keep | change & ~keep
    low_enough = shown.plant.setpoint.accepts(wanted)
    request = b"\x16\0\x64" + keep.to_bytes(2, "big") + change.to_bytes(2, "big")
    assert carry_out(request, tables) == (request if low_enough else b"\x96\3")
    assert shown.requested == (wanted if low_enough else 600)


@given(st.integers(0, 20), st.lists(st.booleans(), min_size=1, max_size=20))
def test_coils_are_read_back_as_they_were_written(start: int, values: list[bool]) -> None:
    tables, shown, _ = plant_tables()
    packed = sum(value << place for place, value in enumerate(values))
    size = (len(values) + 7) // 8
    head = b"\x0f" + start.to_bytes(2, "big") + len(values).to_bytes(2, "big")
    data = bytes((size,)) + packed.to_bytes(size, "little")
    there = start + len(values) <= 16
    assert carry_out(head + data, tables) == (head if there else b"\x8f\2")
    assert shown.coils == [
        there and start <= number < start + len(values) and values[number - start]
        for number in range(16)
    ]
    read_back = carry_out(read(start, len(values), 1), tables)
    assert read_back == (b"\1" + data if there else b"\x81\2")


def test_what_goes_wrong_inside_is_a_device_failure_and_not_silence() -> None:
    def full(address: str, value: Value) -> None:
        raise OSError(28, "No space left on device")

    tables, shown, _ = plant_tables()
    shown.on_write = full
    assert carry_out(write(650), tables) == b"\x86\4"
    assert carry_out(write_more(100, 650), tables) == b"\x90\4"
    assert shown.requested == 600
    assert carry_out(read(100, 1), tables) == b"\3\2\2\x58"
