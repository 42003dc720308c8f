"""Text in the cluster, numbers at the device: what is taken, what is refused, and why."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_lab.devices.points import Kind, Point
from edge_lab.topology.device import WordOrder
from images.mapper.edge_mapper.lines import Declined
from images.mapper.edge_mapper.modbus import MOST_REGISTERS, Place, blocks
from images.mapper.edge_mapper.values import Refused, ValueType, text_of


@pytest.mark.parametrize(
    ("kind", "text", "why"),
    [
        (ValueType.INT, "7.5", "wrong type"),
        (ValueType.INT, "seven", "wrong type"),
        (ValueType.INT, "", "wrong type"),
        (ValueType.INT, "٣", "wrong type"),
        (ValueType.FLOAT, "nan", "wrong type"),
        (ValueType.FLOAT, "1e999", "out of range"),
        (ValueType.FLOAT, "0x10", "wrong type"),
        (ValueType.FLOAT, "39.9", "out of range"),
        (ValueType.DOUBLE, "95.1", "out of range"),
        (ValueType.BOOLEAN, "yes", "wrong type"),
    ],
)
def test_what_is_not_fit_is_refused_with_the_reason(kind: ValueType, text: str, why: str) -> None:
    with pytest.raises(Refused, match=why):
        kind.parse(text, 40, 95)


def test_the_bounds_themselves_are_in_range() -> None:
    assert ValueType.FLOAT.parse("40", 40, 95) == 40
    assert ValueType.INT.parse("95", 40, 95) == 95


@given(st.text())
def test_any_text_is_a_number_in_range_or_refused(text: str) -> None:
    for kind in (ValueType.INT, ValueType.FLOAT):
        try:
            value = kind.parse(text, -5, 5)
        except Refused:
            continue
        assert isinstance(value, int | float | Decimal | list)
        assert isinstance(value, list) or -5 <= value <= 5


@given(st.integers(-(2**31), 2**31 - 1))
def test_an_integer_comes_back_from_its_text(value: int) -> None:
    assert ValueType.INT.parse(text_of(value)) == value


def test_a_text_has_the_decimal_places_of_its_point() -> None:
    assert text_of(65.30000000000001, 1) == "65.3"
    assert text_of(65.25) == "65.25"
    assert text_of(True) == "true"


# -- registers -----------------------------------------------------------------------------


@given(st.sampled_from(list(Kind)), st.sampled_from(list(WordOrder)), st.data())
def test_registers_are_read_as_the_devices_write_them(
    kind: Kind, order: WordOrder, data: st.DataObject
) -> None:
    raw = data.draw(st.integers(*kind.bounds))
    place = Place.of({"register": 3, "kind": kind.value, "wordOrder": order.value})
    assert place.decode(kind.to_registers(raw, order)) == raw
    assert place.encode(raw) == kind.to_registers(raw, order)


@given(st.integers(0, 65535), st.integers(1, 4))
def test_what_is_reported_stands_for_the_same_raw_number(raw: int, digits: int) -> None:
    place = Place.of({"register": 3.0, "kind": "uint16", "digits": float(digits)})
    text = text_of(place.decode([raw]), digits)
    assert Point("p", "", digits=digits).raw(float(text)) == raw
    assert place.encode(float(text)) == [raw]


def test_what_does_not_fit_into_a_register_is_not_cut_to_fit() -> None:
    with pytest.raises(Declined):
        Place.of({"register": 0, "kind": "uint16"}).encode(70_000)


@pytest.mark.parametrize("value", ["hot", 1e308, float("inf"), float("nan")])
def test_what_is_no_number_of_a_register_is_declined(value: str | float) -> None:
    with pytest.raises(Declined):
        Place.of({"register": 0, "kind": "int32", "digits": 1}).encode(value)


@pytest.mark.parametrize(
    "visitor", [{}, {"register": -1}, {"register": 0, "kind": "int7"}, {"register": "first"}]
)
def test_no_place_is_a_value_error(visitor: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        Place.of(visitor)


@given(st.lists(st.integers(0, 300), min_size=1, max_size=60))
def test_every_register_is_in_just_one_read_and_none_beside_them(registers: list[int]) -> None:
    places = [Place(each, "uint16", 0, False) for each in registers]
    read = [each for start, count in blocks(places) for each in range(start, start + count)]
    assert read == sorted(set(registers))
    assert all(count <= MOST_REGISTERS for _, count in blocks(places))


def test_a_block_without_a_gap_is_one_read() -> None:
    places = [
        Place(0, "uint32", 0, False),
        Place(2, "uint16", 1, False),
        Place(100, "uint16", 0, False),
    ]
    assert list(blocks(places)) == [(0, 3), (100, 1)]
