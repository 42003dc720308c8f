"""Where values lie in a Modbus device: each kind and order, and what does not fit."""

from __future__ import annotations

import math
import struct
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from images.mapper.edge_mapper.lines import Declined
from images.mapper.edge_mapper.messages import unwrapped
from images.mapper.edge_mapper.places import KINDS, Place, Table
from images.mapper.edge_mapper.values import Refused, Value, ValueType, single, text_of

BOUNDS = {
    "int16": (-(2**15), 2**15 - 1),
    "uint16": (0, 2**16 - 1),
    "int32": (-(2**31), 2**31 - 1),
    "uint32": (0, 2**32 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint64": (0, 2**64 - 1),
}


def place(**visitor: Any) -> Place:
    return Place.of({"register": 3, **visitor})


orders = st.fixed_dictionaries(
    {"wordOrder": st.sampled_from(["big", "little"]), "isSwap": st.booleans()}
)


@given(st.sampled_from(list(BOUNDS)), orders, st.integers(0, 9), st.data())
def test_a_whole_number_comes_back_from_its_text(
    kind: str, order: dict[str, Any], digits: int, data: st.DataObject
) -> None:
    raw = data.draw(st.integers(*BOUNDS[kind]))
    where = place(kind=kind, digits=digits, **order)
    registers = where.encode(text_of(Decimal(raw).scaleb(-digits), digits))
    text = text_of(where.decode(registers), digits or None)
    assert Decimal(text).scaleb(digits) == raw
    assert where.encode(ValueType.FLOAT.parse(text)) == registers


@given(st.floats(width=32, allow_nan=False, allow_infinity=False), orders)
def test_a_short_fraction_comes_back_from_its_text(value: float, order: dict[str, Any]) -> None:
    where = place(kind="float32", **order)
    registers = where.encode(value)
    assert where.encode(text_of(where.decode(registers))) == registers


@given(st.floats(allow_nan=False, allow_infinity=False), orders)
def test_a_long_fraction_comes_back_from_its_text(value: float, order: dict[str, Any]) -> None:
    where = place(kind="float64", **order)
    assert float(text_of(where.decode(where.encode(value)))) == value


@given(st.floats(width=32))
def test_a_number_of_32_bits_is_told_in_the_fewest_digits(value: float) -> None:
    found = single(value)
    if math.isnan(value):
        assert math.isnan(found)
        return
    assert struct.pack("<f", found) == struct.pack("<f", value)
    assert not math.isfinite(value) or digits(found) <= digits(value)


def digits(value: float) -> int:
    """How many a person has to read, zeros at the end left out."""
    return len(Decimal(repr(value)).normalize().as_tuple().digits)


def test_numbers_are_told_as_people_write_them() -> None:
    def told(kind: str, value: float) -> str:
        code = {"float32": ">f", "float64": ">d"}[kind]
        data = struct.pack(code, value)
        where = place(kind=kind)
        return text_of(where.decode(struct.unpack(f">{len(data) // 2}H", data)))

    assert told("float32", 0.1) == told("float64", 0.1) == "0.1"
    assert told("float32", 21.7) == "21.7"
    assert told("float32", 16777216.0) == "16777216.0"
    assert told("float64", math.nan) == told("float32", math.nan) == "NaN"
    assert (told("float32", math.inf), told("float64", -math.inf)) == ("Infinity", "-Infinity")
    assert text_of([0.1, math.nan, "x", True, 3, [None]]) == '[0.1, "NaN", "x", true, 3, [null]]'
    assert text_of(b"\x00\xff") == "AP8="


def test_word_and_byte_order_are_where_they_are_said_to_be() -> None:
    words = [0x4148, 0xF5C3]  # 12.56
    little = words[::-1]
    swapped = [0x4841, 0xC3F5]
    assert place(kind="float32").decode(words) == 12.56
    assert place(kind="float32", wordOrder="little").decode(little) == 12.56
    assert place(kind="float32", isRegisterSwap=True).decode(little) == 12.56
    assert place(kind="float32", isSwap=True).decode(swapped) == 12.56
    assert (
        place(kind="float32", isSwap="true", isRegisterSwap="true").decode(swapped[::-1]) == 12.56
    )
    assert place(kind="float32", isSwap=False, isRegisterSwap=False).encode(12.56) == words
    assert place(kind="uint64", wordOrder="little").decode([4, 3, 2, 1]) == 0x0001_0002_0003_0004
    assert place(kind="int16").decode([0xFFFF]) == -1
    assert place(kind="string", limit=2, isSwap=True).decode([0x6261, 0x0063]) == "abc"


@pytest.mark.parametrize(
    ("raw", "scale", "text"),
    [
        (253, 0.1, "25.3"),
        (3, 0.1, "0.3"),
        (7, 1, "7"),
        (7, 1.0, "7"),
        (7, 10, "70"),
        (20, 0.1, "2"),
        (1000, 1e-9, "0.000001"),
        (5, -0.5, "-2.5"),
        (5, "0.01", "0.05"),
    ],
)
def test_a_scale_is_exact_both_ways(raw: int, scale: Any, text: str) -> None:
    where = place(kind="uint16", scale=scale)
    assert text_of(where.decode([raw])) == text
    assert where.encode(text) == [raw]
    assert where.encode(ValueType.DOUBLE.parse(text)) == [raw]


def test_a_scale_that_came_through_protobuf_is_what_was_written() -> None:
    from google.protobuf import any_pb2, wrappers_pb2

    packed = any_pb2.Any()
    packed.Pack(wrappers_pb2.FloatValue(value=0.1))
    assert unwrapped(packed) == 0.1
    packed.Pack(wrappers_pb2.DoubleValue(value=0.1))
    assert unwrapped(packed) == 0.1


@pytest.mark.parametrize(
    ("visitor", "of_type", "found"),
    [
        ({"register": 5}, ValueType.INT, (Table.HOLDING, 5, "uint16", 1)),
        ({"register": 5}, ValueType.FLOAT, (Table.HOLDING, 5, "uint16", 1)),
        ({"register": 5}, ValueType.BOOLEAN, (Table.HOLDING, 5, "bool", 1)),
        ({"register": 5, "limit": 2}, ValueType.INT, (Table.HOLDING, 5, "uint32", 1)),
        ({"register": 5, "limit": 4}, ValueType.INT, (Table.HOLDING, 5, "uint64", 1)),
        ({"register": 5, "limit": 2}, ValueType.FLOAT, (Table.HOLDING, 5, "float32", 1)),
        ({"register": 5, "limit": 4}, ValueType.DOUBLE, (Table.HOLDING, 5, "float64", 1)),
        ({"register": 5, "limit": 8}, ValueType.STRING, (Table.HOLDING, 5, "string", 8)),
        ({"register": 5, "limit": 8}, ValueType.BYTES, (Table.HOLDING, 5, "bytes", 8)),
        (
            {"register": "InputRegister", "offset": 7, "limit": 6, "kind": "int32"},
            ValueType.INT,
            (Table.INPUT, 7, "int32", 3),
        ),
        (
            {"register": "CoilRegister", "offset": 2, "limit": 1, "scale": 1, "isSwap": True},
            ValueType.INT,
            (Table.COIL, 2, "bool", 1),
        ),
        (
            {"register": "DiscreteInputRegister", "offset": 3.0, "limit": 9.0},
            ValueType.BOOLEAN,
            (Table.DISCRETE, 3, "bool", 9),
        ),
        (
            {"register": "HoldingRegister", "offset": "0", "dataType": "float"},
            ValueType.STRING,
            (Table.HOLDING, 0, "float32", 1),
        ),
        (
            {"register": "HoldingRegister", "offset": 0, "limit": 2, "dataType": "Int"},
            None,
            (Table.HOLDING, 0, "uint32", 1),
        ),
    ],
)
def test_kubeedges_names_and_the_short_form_say_where_a_value_is(
    visitor: dict[str, Any], of_type: ValueType | None, found: tuple[Table, int, str, int]
) -> None:
    where = Place.of(visitor, of_type)
    assert (where.table, where.register, where.kind, where.count) == found


@pytest.mark.parametrize(
    "visitor",
    [
        {"scale": 0},
        {"scale": "nan"},
        {"scale": "large"},
        {"scale": True},
        {"kind": "uint16", "limit": 0},
        {"kind": "uint16", "limit": 126},
        {"kind": "uint32", "limit": 3},
        {"kind": "string"},
        {"kind": "string", "limit": 2, "digits": 1},
        {"kind": "string", "limit": 2, "scale": 2},
        {"kind": ["uint16"]},
        {"limit": 3},
        {"digits": 10},
        {"digits": -1},
        {"isSwap": "maybe"},
        {"wordOrder": "middle"},
        {"offset": 5},
        {"register": "coilregister", "offset": 5},
        {"register": "CoilRegister"},
        {"register": "CoilRegister", "offset": 5, "kind": "int32"},
        {"register": "CoilRegister", "offset": 65536},
        {"register": "HoldingRegister", "offset": 65535, "kind": "int32"},
        {"register": True},
        {"register": 1.5},
        {"register": None},
        {"dataType": "complex"},
    ],
)
def test_what_makes_no_sense_is_a_value_error(visitor: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        place(**visitor)


@pytest.mark.parametrize(
    ("visitor", "value"),
    [
        ({"kind": "int16"}, 2**15),
        ({"kind": "uint16"}, -1),
        ({"kind": "uint64"}, 2**64),
        ({"kind": "uint16"}, 1.5),
        ({"kind": "uint16", "digits": 1}, 61.55),
        ({"kind": "uint16", "digits": 1}, 6553.6),
        ({"kind": "uint16", "scale": 0.5}, 1.3),
        ({"kind": "float32"}, 1e39),
        ({"kind": "float32"}, 1e-60),
        ({"kind": "float64"}, math.nan),
        ({"kind": "float64"}, "Infinity"),
        ({"kind": "bool"}, 2),
        ({"kind": "bool"}, "on"),
        ({"kind": "string", "limit": 2}, "abcde"),
        ({"kind": "string", "limit": 2}, "ééé"),
        ({"kind": "string", "limit": 2}, "a\0b"),
        ({"kind": "string", "limit": 2}, 5),
        ({"kind": "bytes", "limit": 1}, b"abc"),
        ({"kind": "bytes", "limit": 1}, "!"),
        ({"kind": "uint16", "limit": 2}, [1, 2, 3]),
        ({"kind": "uint16", "limit": 2}, 1),
        ({"kind": "uint16", "limit": 2}, [1, 70_000]),
        ({"kind": "uint16", "limit": 2}, [1, [2]]),
        ({"kind": "uint16", "limit": 2}, "[1, hot]"),
        ({"kind": "uint16"}, [1]),
        ({"kind": "uint16"}, "hot"),
        ({"kind": "uint16"}, b"12"),
    ],
)
def test_what_does_not_fit_is_declined_and_never_cut(visitor: dict[str, Any], value: Value) -> None:
    with pytest.raises(Declined):
        place(**visitor).encode(value)


@given(st.sampled_from(KINDS), st.one_of(st.text(), st.integers(), st.floats(), st.binary()))
def test_any_value_fits_or_is_declined(kind: str, value: Value) -> None:
    where = place(kind=kind, limit=4)
    try:
        registers = where.encode(value)
    except Declined:
        return
    assert len(registers) == 4
    assert all(0 <= each <= 0xFFFF for each in registers)


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "register",
                "offset",
                "limit",
                "scale",
                "kind",
                "dataType",
                "isSwap",
                "digits",
                "wordOrder",
            ]
        ),
        st.one_of(
            st.none(),
            st.integers(-2, 70000),
            st.floats(),
            st.text(max_size=3),
            st.sampled_from(["CoilRegister", "HoldingRegister", "uint32", "string", "little"]),
            st.lists(st.integers(), max_size=1),
        ),
    ),
    st.sampled_from([None, *ValueType]),
)
def test_any_configuration_is_a_place_or_a_value_error(
    visitor: dict[str, Any], of_type: ValueType | None
) -> None:
    try:
        where = Place.of(visitor, of_type)
    except ValueError:
        return
    assert 1 <= where.length <= where.table.most
    assert where.end <= 0x10000


def test_a_text_is_told_without_what_fills_it_up() -> None:
    where = place(kind="string", limit=4)
    for text in ("", "abc", "é", "12345678"):
        assert where.decode(where.encode(text)) == text
    assert where.decode([0x6162, 0x2020, 0x2020, 0x2020]) == "ab"
    assert where.decode([0x6162, 0x00FF, 0xFFFF, 0xFFFF]) == "ab"
    assert where.decode([0xE962, 0x0000, 0x0000, 0x0000]) == "éb"  # no UTF-8


# -- desired values ------------------------------------------------------------------------


def test_an_array_is_desired_as_json_and_each_element_is_checked() -> None:
    assert ValueType.INT.parse("[1, 2]", 0, 5) == [1, 2]
    assert ValueType.BOOLEAN.parse("[true, false]") == [True, False]
    assert ValueType.BYTES.parse("AP8=") == b"\x00\xff"
    assert ValueType.INT.parse(str(2**64 - 1), None, 2**64 - 1) == 2**64 - 1
    for kind, text in (
        (ValueType.INT, "[1, 6]"),
        (ValueType.INT, "[1.5]"),
        (ValueType.INT, "[1"),
        (ValueType.INT, "[null]"),
        (ValueType.INT, '[{"a": 1}]'),
        (ValueType.FLOAT, "[NaN]"),
        (ValueType.FLOAT, "NaN"),
        (ValueType.DOUBLE, "-Infinity"),
        (ValueType.BOOLEAN, "[1]"),
        (ValueType.BYTES, "?"),
        (ValueType.INT, "[" * 100_000),
    ):
        with pytest.raises(Refused):
            kind.parse(text, 0, 5)


def test_what_a_device_says_is_told_in_the_models_type() -> None:
    assert ValueType.BOOLEAN.conform(1) is True
    assert ValueType.BOOLEAN.conform([0, 2.5]) == [False, True]
    assert ValueType.INT.conform(True) == 1
    assert ValueType.INT.conform(5.0) == 5
    assert ValueType.INT.conform(5.5) == 5.5
    assert ValueType.FLOAT.conform(5.0) == 5.0
    assert ValueType.STRING.conform(5) == 5
