"""The address of a property in a Modbus device, and the representation of its value.

A property's configData has the names of KubeEdge's Modbus mapper (`register` as the kind of
registers, `offset`, `limit`, `scale`, `isSwap`, `isRegisterSwap`, `dataType`), or this mapper's
own short form for holding registers: `register` is the address, and `kind`, `digits` and
`wordOrder` say the rest.  Both may be mixed.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import Enum
from functools import cached_property
from typing import Any

from .fields import flag, one_of, whole
from .lines import Declined
from .values import (
    Refused,
    Value,
    ValueType,
    parse_array,
    parse_bytes,
    parse_decimal,
    parse_integer,
    parse_truth,
    single,
)

MOST_REGISTERS = 125
"""In one read, by the protocol."""
MOST_BITS = 2000
MOST_DIGITS = 9
MOST_PLACES = 17
"""Decimal places to report of a binary fraction; a double has no more to tell."""


class Table(Enum):
    """The four kinds of data, in the words of KubeEdge's Modbus mapper."""

    COIL = "CoilRegister"
    DISCRETE = "DiscreteInputRegister"
    INPUT = "InputRegister"
    HOLDING = "HoldingRegister"

    @property
    def is_bits(self) -> bool:
        return self in (Table.COIL, Table.DISCRETE)

    @property
    def is_writable(self) -> bool:
        return self in (Table.COIL, Table.HOLDING)

    @property
    def most(self) -> int:
        """So many of them one read may ask for."""
        return MOST_BITS if self.is_bits else MOST_REGISTERS

    def name_of(self, address: int) -> str:
        words = {
            Table.COIL: "coil",
            Table.DISCRETE: "discrete input",
            Table.INPUT: "input register",
            Table.HOLDING: "holding register",
        }
        return f"{words[self]} {address}"


_FORMATS = {
    "int16": "h",
    "uint16": "H",
    "int32": "i",
    "uint32": "I",
    "int64": "q",
    "uint64": "Q",
    "float32": "f",
    "float64": "d",
}
_LENGTH = {kind: struct.calcsize(f">{code}") // 2 for kind, code in _FORMATS.items()}
KINDS = (*_FORMATS, "bool", "string", "bytes")
_FRACTIONS = ("float32", "float64")
_INTEGERS = tuple(kind for kind in _FORMATS if kind not in _FRACTIONS)
_DATA_TYPES = {
    "int": ValueType.INT,
    "float": ValueType.FLOAT,
    "double": ValueType.DOUBLE,
    "string": ValueType.STRING,
    "boolean": ValueType.BOOLEAN,
    "bytes": ValueType.BYTES,
}
_BY_LIMIT = {
    ValueType.INT: {1: "uint16", 2: "uint32", 4: "uint64"},
    ValueType.FLOAT: {1: "uint16", 2: "float32", 4: "float64"},
    ValueType.DOUBLE: {1: "uint16", 2: "float32", 4: "float64"},
}


@dataclass(frozen=True)
class Place:
    """Where a value lies and how. `count` are its elements, or the registers of a text."""

    register: int
    kind: str
    digits: int
    little: bool
    """Whether the low register comes first."""
    table: Table = Table.HOLDING
    count: int = 1
    scale: str = ""
    swapped: bool = False
    """Whether the low byte of each register comes first."""

    @classmethod
    def of(cls, visitor: Mapping[str, Any], of_type: ValueType | None = None) -> Place:
        """From a property's configData; ValueError if it makes no sense."""
        table, address = _address(visitor)
        limit = None
        if visitor.get("limit") is not None:
            limit = whole(visitor["limit"], "limit", 1, table.most)
        kind = _kind(visitor, table, limit, of_type)
        unit = _LENGTH.get(kind, 1)
        if limit is not None and limit % unit:
            raise ValueError(f"a limit of {limit} registers is no whole number of {kind}s")
        if limit is None and kind in ("string", "bytes"):
            raise ValueError(f"no limit says how many registers the {kind} has")
        digits = whole(
            visitor.get("digits", 0),
            "digits",
            0,
            MOST_PLACES if kind in _FRACTIONS else MOST_DIGITS,
        )
        scale = _scale(visitor.get("scale", 1))
        if kind not in _FORMATS and (digits or scale):
            raise ValueError(f"a {kind} has neither digits nor a scale")
        order = one_of(visitor.get("wordOrder", "big"), "wordOrder", ("big", "little"))
        place = cls(
            register=address,
            kind=kind,
            digits=digits,
            little=order == "little" or flag(visitor.get("isRegisterSwap"), "isRegisterSwap"),
            table=table,
            count=1 if limit is None else limit // unit,
            scale=scale,
            swapped=flag(visitor.get("isSwap"), "isSwap"),
        )
        if place.end > 0x10000:
            raise ValueError(f"{table.name_of(place.end - 1)} is beyond the last, 65535")
        return place

    def __str__(self) -> str:
        return self.table.name_of(self.register)

    # Asked for in each cycle, of each property.

    @cached_property
    def _hash(self) -> int:
        return hash((self.table.value, self.register, self.kind, self.count, self.scale))

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def order(self) -> tuple[str, int]:
        """Places side by side in a device are side by side when sorted by it."""
        return self.table.value, self.register

    @cached_property
    def length(self) -> int:
        return _LENGTH.get(self.kind, 1) * self.count

    @cached_property
    def unit(self) -> int:
        """Registers that make no sense one without the other."""
        return _LENGTH.get(self.kind, 1)

    @cached_property
    def end(self) -> int:
        return self.register + self.length

    # -- reading ---------------------------------------------------------------------------

    def decode(self, registers: Sequence[int]) -> Value:
        """The value in its registers, or coils."""
        if self.kind == "uint16" and self.count == 1 and not self.swapped:
            return self._scaled(registers[0])
        if self.kind == "bool":
            found: list[Value] = [bool(each) for each in registers]
            return found if self.count > 1 else found[0]
        if self.kind in ("string", "bytes"):
            data = self._packed(registers)
            return data if self.kind == "bytes" else _text(data)
        if self.little and self.unit > 1:
            registers = self._reordered(registers)
        elements = struct.unpack(f">{self.count}{_FORMATS[self.kind]}", self._packed(registers))
        if self.count > 1:
            return [self._scaled(each) for each in elements]
        return self._scaled(elements[0])

    def _packed(self, registers: Sequence[int]) -> bytes:
        return struct.pack(f"{'<' if self.swapped else '>'}{len(registers)}H", *registers)

    def _reordered(self, registers: Sequence[int]) -> list[int]:
        """The registers of each element the other way round."""
        return [
            registers[first + self.unit - 1 - each]
            for first in range(0, len(registers), self.unit)
            for each in range(self.unit)
        ]

    def _scaled(self, raw: float | int) -> Value:
        if isinstance(raw, float):
            if self.kind == "float32":
                raw = single(raw)
            if self.scale and math.isfinite(raw):
                return float(Decimal(repr(raw)) * Decimal(self.scale))
            return raw
        if self.scale:
            exact = Decimal(raw) * Decimal(self.scale)
            if self.digits:
                return exact
            return int(exact) if exact == exact.to_integral_value() else exact.normalize()
        if not self.digits:
            return raw
        if self.unit > 2:  # more than a float holds
            return Decimal(raw).scaleb(-self.digits)
        return raw / 10.0**self.digits

    # -- writing ---------------------------------------------------------------------------

    def encode(self, value: Value) -> list[int]:
        """The registers, or coils, that hold the value; Declined if they cannot."""
        try:
            return self._encoded(value)
        except Refused as trouble:
            raise Declined(str(trouble)) from trouble

    def _encoded(self, value: Value) -> list[int]:
        if self.kind == "string":
            return self._text_registers(value)
        if self.kind == "bytes":
            data = parse_bytes(value) if isinstance(value, str) else value
            if not isinstance(data, bytes) or len(data) != 2 * self.count:
                raise Declined(f"{value!r} is not {2 * self.count} bytes long")
            return self._unpacked(data)
        if isinstance(value, str) and self.count > 1:
            value = parse_array(value, self._parsed)
        elements = value if isinstance(value, list) else [value]
        if isinstance(value, list) != (self.count > 1) or len(elements) != self.count:
            what = f"an array of {self.count}" if self.count > 1 else "one value"
            raise Declined(f"{value!r} is not {what}")
        if self.kind == "bool":
            return [int(self._truth(each)) for each in elements]
        data = b"".join(self._number(each) for each in elements)
        registers = self._unpacked(data)
        return self._reordered(registers) if self.little and self.unit > 1 else registers

    def _unpacked(self, data: bytes) -> list[int]:
        return list(struct.unpack(f"{'<' if self.swapped else '>'}{len(data) // 2}H", data))

    def _text_registers(self, value: Value) -> list[int]:
        if not isinstance(value, str):
            raise Declined(f"{value!r} is no text")
        data, most = value.encode("utf-8", "surrogatepass"), 2 * self.count
        if len(data) > most or b"\0" in data:
            raise Declined(f"{value!r} does not fit into {most} bytes")
        return self._unpacked(data.ljust(most, b"\0"))

    def _parsed(self, text: str) -> Value:
        if self.kind == "bool":
            return parse_truth(text)
        return parse_decimal(text)

    def _truth(self, value: Value) -> bool:
        if isinstance(value, str):
            value = parse_truth(value)
        if isinstance(value, bool | int | float) and value in (0, 1):
            return bool(value)
        raise Declined(f"{value!r} is neither true nor false")

    def _number(self, value: Value) -> bytes:
        if isinstance(value, str):
            value = parse_integer(value) if self._is_whole else parse_decimal(value)
        if not isinstance(value, int | float | Decimal) or not math.isfinite(value):
            raise Declined(f"{value!r} is no number that fits into a {self.kind}")
        value = int(value) if isinstance(value, bool) else value
        exact = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
        raw = exact / Decimal(self.scale) if self.scale else exact
        try:
            if self.kind in _FRACTIONS:
                return self._fraction(value, float(raw))
            if not self.scale:
                raw = raw.scaleb(self.digits)
            if raw != raw.to_integral_value():
                raise Declined(f"{value} does not fit into a {self.kind}: {self._nearest(raw)}")
            return struct.pack(f">{_FORMATS[self.kind]}", int(raw))
        except (struct.error, OverflowError, InvalidOperation) as trouble:
            raise Declined(f"{value} does not fit into a {self.kind}") from trouble

    @property
    def _is_whole(self) -> bool:
        return self.kind in _INTEGERS and not self.digits and not self.scale

    def _fraction(self, value: float | Decimal, raw: float) -> bytes:
        data = struct.pack(f">{_FORMATS[self.kind]}", raw)
        if raw and not struct.unpack(f">{_FORMATS[self.kind]}", data)[0]:
            raise Declined(f"{value} is too small for a {self.kind}")
        return data

    def _nearest(self, raw: Decimal) -> str:
        step = Decimal(self.scale) if self.scale else Decimal(1).scaleb(-self.digits)
        below = raw.to_integral_value(rounding="ROUND_FLOOR")
        found = sorted(each * step for each in (below, below + 1))
        return f"the nearest are {' and '.join(f'{each.normalize():f}' for each in found)}"


# -- from configData -----------------------------------------------------------------------


def _address(visitor: Mapping[str, Any]) -> tuple[Table, int]:
    given = visitor.get("register")
    if given is None:
        raise ValueError("it names no register")
    if isinstance(given, str) and not given.strip().lstrip("+-").isdecimal():
        table = Table(one_of(given, "register", tuple(each.value for each in Table)))
        if visitor.get("offset") is None:
            raise ValueError("no offset says which register it is")
        return table, whole(visitor["offset"], "offset", 0, 0xFFFF)
    if visitor.get("offset") is not None:
        raise ValueError("with an offset, register says the kind of registers")
    return Table.HOLDING, whole(given, "register", 0, 0xFFFF)


def _kind(
    visitor: Mapping[str, Any], table: Table, limit: int | None, of_type: ValueType | None
) -> str:
    """The kind that is named, or the one that follows from the type and the limit."""
    named = visitor.get("kind")
    data_type = visitor.get("dataType")
    if data_type is not None:
        word = str(data_type).lower()
        if word in _DATA_TYPES:
            of_type = _DATA_TYPES[word]
        elif named is None:
            named = one_of(word, "dataType", (*_DATA_TYPES, *KINDS))
    if named is not None:
        kind = one_of(named, "kind", KINDS)
        if table.is_bits and kind != "bool":
            raise ValueError(f"a {table.value} holds no {kind}")
        return kind
    if table.is_bits or of_type is ValueType.BOOLEAN:
        return "bool"
    said = data_type is not None or limit is not None
    if said and of_type in (ValueType.STRING, ValueType.BYTES):
        return str(of_type.value).lower()
    if limit is None:
        words = {ValueType.FLOAT: "float32", ValueType.DOUBLE: "float64"}
        return words.get(of_type or ValueType.INT, "uint16") if data_type is not None else "uint16"
    kind = _BY_LIMIT.get(of_type or ValueType.INT, {}).get(limit, "")
    if not kind:
        raise ValueError(f"no kind says what is in {limit} registers")
    return kind


def _scale(given: Any) -> str:
    """As text, which is exact; empty for one."""
    try:
        scale = Decimal(str(given))
    except InvalidOperation as trouble:
        raise ValueError(f"scale: {given!r} is no number") from trouble
    if isinstance(given, bool) or not scale.is_finite() or scale == 0:
        raise ValueError(f"a scale of {given!r} makes no number of what is read")
    return "" if scale == 1 else str(scale)


def _text(data: bytes) -> str:
    """A text ends at the first NUL; what fills it up is no part of it."""
    data = data.partition(b"\0")[0].rstrip(b" ")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")
