"""Modbus' application protocol: a request is checked and executed completely, or refused.

Checks are in the order of the specification's state diagrams (Application Protocol V1.1b3,
section 6): whether the function is supported (exception 1 if not), the quantities are valid (3),
and all addresses exist (2).  Only then is anything changed.
"""

from __future__ import annotations

import logging
import struct
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

log = logging.getLogger(__name__)


class Code(IntEnum):
    """Exception codes (section 7)."""

    ILLEGAL_FUNCTION = 1
    ILLEGAL_ADDRESS = 2
    ILLEGAL_VALUE = 3
    DEVICE_FAILURE = 4
    DEVICE_BUSY = 6
    NO_TARGET = 11
    """For gateways: the target does not answer."""


class Refused(Exception):
    """The request is answered with an exception code."""

    def __init__(self, code: Code) -> None:
        super().__init__(code.name)
        self.code = code


@dataclass(frozen=True)
class Identity:
    """The three objects of the basic device identification, ASCII."""

    vendor: str
    product: str
    revision: str

    @property
    def objects(self) -> tuple[bytes, ...]:
        return tuple(text.encode("ascii") for text in (self.vendor, self.product, self.revision))


class Tables(ABC):
    """The tables that requests read and write.

    Each method raises `Refused` if it cannot execute the request completely, and then changes
    nothing.
    """

    identity: Identity

    @abstractmethod
    def coils(self, start: int, count: int) -> list[bool]: ...

    @abstractmethod
    def discrete_inputs(self, start: int, count: int) -> list[bool]: ...

    @abstractmethod
    def holding_registers(self, start: int, count: int) -> list[int]: ...

    @abstractmethod
    def input_registers(self, start: int, count: int) -> list[int]: ...

    @abstractmethod
    def write_coils(self, start: int, values: Sequence[bool]) -> None: ...

    @abstractmethod
    def write_registers(self, start: int, values: Sequence[int]) -> None: ...


def is_served(function: int) -> bool:
    return function in _FUNCTIONS


def refusal(function: int, code: int) -> bytes:
    """The answer that refuses a request."""
    return bytes((function | 0x80, code))


def carry_out(request: bytes, tables: Tables) -> bytes:
    """Executes a request (function and data, one byte or more); returns its answer."""
    function, data = request[0], request[1:]
    work = _FUNCTIONS.get(function)
    try:
        if work is None:
            return refusal(function, Code.ILLEGAL_FUNCTION)
        return bytes((function,)) + work(data, tables)
    except Refused as refused:
        return refusal(function, refused.code)
    except Exception:
        # In any case the client must get an answer.
        log.exception("request %s failed", request.hex())
        return refusal(function, Code.DEVICE_FAILURE)


def _fields(form: str, data: bytes) -> tuple[int, ...]:
    """The 16-bit and 8-bit numbers of a request that consists only of these."""
    if len(data) != struct.calcsize(form):
        raise Refused(Code.ILLEGAL_VALUE)
    return struct.unpack(form, data)


def _head(form: str, data: bytes) -> tuple[tuple[int, ...], bytes]:
    """The numbers at the beginning of a request, and the rest."""
    size = struct.calcsize(form)
    return _fields(form, data[:size]), data[size:]


def _require(fits: bool) -> None:
    if not fits:
        raise Refused(Code.ILLEGAL_VALUE)


# -- bits --------------------------------------------------------------------------------


def _packed(bits: Sequence[bool]) -> bytes:
    """Eight bits per byte, the first one lowest; the last byte is padded with 0."""
    number = sum(bit << place for place, bit in enumerate(bits))
    return number.to_bytes((len(bits) + 7) // 8, "little")


def _bits(data: bytes, asked: Callable[[int, int], list[bool]]) -> bytes:
    start, count = _fields(">HH", data)
    _require(1 <= count <= 2000)
    packed = _packed(asked(start, count))
    return bytes((len(packed),)) + packed


def _read_coils(data: bytes, tables: Tables) -> bytes:
    return _bits(data, tables.coils)


def _read_discrete_inputs(data: bytes, tables: Tables) -> bytes:
    return _bits(data, tables.discrete_inputs)


def _write_coil(data: bytes, tables: Tables) -> bytes:
    address, value = _fields(">HH", data)
    _require(value in (0x0000, 0xFF00))
    tables.write_coils(address, [value == 0xFF00])
    return data


def _write_coils(data: bytes, tables: Tables) -> bytes:
    (start, count, size), packed = _head(">HHB", data)
    _require(1 <= count <= 1968 and size == (count + 7) // 8 == len(packed))
    number = int.from_bytes(packed, "little")
    tables.write_coils(start, [bool(number >> place & 1) for place in range(count)])
    return data[:4]


# -- registers ---------------------------------------------------------------------------


def _words(values: Sequence[int]) -> bytes:
    return struct.pack(f">B{len(values)}H", 2 * len(values), *values)


def _read_holding_registers(data: bytes, tables: Tables) -> bytes:
    start, count = _fields(">HH", data)
    _require(1 <= count <= 125)
    return _words(tables.holding_registers(start, count))


def _read_input_registers(data: bytes, tables: Tables) -> bytes:
    start, count = _fields(">HH", data)
    _require(1 <= count <= 125)
    return _words(tables.input_registers(start, count))


def _write_register(data: bytes, tables: Tables) -> bytes:
    address, value = _fields(">HH", data)
    tables.write_registers(address, [value])
    return data


def _values(count: int, size: int, most: int, data: bytes) -> tuple[int, ...]:
    """The registers, if their number matches size and data."""
    _require(1 <= count <= most and size == 2 * count == len(data))
    return struct.unpack(f">{count}H", data)


def _write_registers(data: bytes, tables: Tables) -> bytes:
    (start, count, size), rest = _head(">HHB", data)
    tables.write_registers(start, _values(count, size, 123, rest))
    return data[:4]


def _mask_write_register(data: bytes, tables: Tables) -> bytes:
    address, keep, change = _fields(">HHH", data)
    (present,) = tables.holding_registers(address, 1)
    tables.write_registers(address, [present & keep | change & ~keep & 0xFFFF])
    return data


def _read_and_write_registers(data: bytes, tables: Tables) -> bytes:
    (start, count, into, number, size), rest = _head(">HHHHB", data)
    _require(1 <= count <= 125)
    values = _values(number, size, 121, rest)
    tables.holding_registers(start, count)  # refused before any change
    tables.write_registers(into, values)
    return _words(tables.holding_registers(start, count))


# -- the rest ----------------------------------------------------------------------------

_RETURN_QUERY_DATA = 0
_READ_DEVICE_IDENTIFICATION = 14
_ALL_BASIC, _ONE_OBJECT = (1, 2, 3), 4
"""Kinds of access. Requests for more categories (2, 3) get the available ones."""
_BASIC_IN_A_STREAM_AND_ONE_BY_ONE = 0x81


def _diagnostics(data: bytes, tables: Tables) -> bytes:
    if len(data) >= 2 and int.from_bytes(data[:2], "big") != _RETURN_QUERY_DATA:
        raise Refused(Code.ILLEGAL_FUNCTION)
    _require(len(data) >= 4 and len(data) % 2 == 0)
    return data


def _encapsulated(data: bytes, tables: Tables) -> bytes:
    if data and data[0] != _READ_DEVICE_IDENTIFICATION:
        raise Refused(Code.ILLEGAL_FUNCTION)
    _, access, first = _fields(">BBB", data)
    objects = dict(enumerate(tables.identity.objects))
    if access == _ONE_OBJECT:
        if first not in objects:
            raise Refused(Code.ILLEGAL_ADDRESS)
        objects = {first: objects[first]}
    else:
        _require(access in _ALL_BASIC)
        # A stream access with an unknown object starts from the beginning (section 6.21).
        first = first if first in objects else 0
        objects = {number: text for number, text in objects.items() if number >= first}
    head = (data[0], access, _BASIC_IN_A_STREAM_AND_ONE_BY_ONE, 0, 0, len(objects))
    return bytes(head) + b"".join(
        bytes((number, len(text))) + text for number, text in objects.items()
    )


_FUNCTIONS: Mapping[int, Callable[[bytes, Tables], bytes]] = {
    1: _read_coils,
    2: _read_discrete_inputs,
    3: _read_holding_registers,
    4: _read_input_registers,
    5: _write_coil,
    6: _write_register,
    8: _diagnostics,
    15: _write_coils,
    16: _write_registers,
    22: _mask_write_register,
    23: _read_and_write_registers,
    43: _encapsulated,
}
