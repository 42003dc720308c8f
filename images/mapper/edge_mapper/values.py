"""Values of twins: text in the cluster, numbers and texts at the device.

What is reported is as a person writes it: the fewest digits that stand for the number, `true`
and `false`, bytes in base64, arrays as JSON.  What is desired is read by the same rules.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
import struct
from collections.abc import Callable
from decimal import Decimal
from enum import Enum
from typing import Any, TypeAlias

Value: TypeAlias = (
    "float | int | str | bool | bytes | Decimal | list[Value] | dict[str, Value] | None"
)

NOT_FINITE = ("NaN", "Infinity", "-Infinity")
"""As OPC UA writes them in JSON (10000-6, 5.4.2.4). They are reported and never written."""

_INTEGER = re.compile(r"[+-]?[0-9]{1,20}")
_DECIMAL = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
_FLOAT32 = struct.Struct("<f")
_LEAST_NORMAL = 2.0**-126
_FLOAT_DIGITS = 15
"""So many significant digits any double holds."""


class Refused(Exception):
    """A desired value cannot be written; the text has the reason."""


class ValueType(Enum):
    """The type of a property, in the words of a DeviceModel."""

    INT = "INT"
    FLOAT = "FLOAT"
    DOUBLE = "DOUBLE"
    STRING = "STRING"
    BOOLEAN = "BOOLEAN"
    BYTES = "BYTES"

    @property
    def is_number(self) -> bool:
        return self in (ValueType.INT, ValueType.FLOAT, ValueType.DOUBLE)

    def parse(self, text: str, low: Bound = None, high: Bound = None) -> Value:
        """The value that `text` stands for; Refused if it is of another type or out of range.

        An array is JSON; each of its elements must be of the type, and within the bounds.
        """
        if self is ValueType.STRING:
            return text
        if self is ValueType.BYTES:
            return parse_bytes(text)
        if text.startswith("["):
            return parse_array(text, lambda element: self.parse(element, low, high))
        if self is ValueType.BOOLEAN:
            return parse_truth(text)
        value = parse_integer(text) if self is ValueType.INT else parse_decimal(text)
        if low is not None and value < low:
            raise Refused(f"out of range: {text} is less than {_bound_text(low)}")
        if high is not None and value > high:
            raise Refused(f"out of range: {text} is more than {_bound_text(high)}")
        return value

    def conform(self, value: Value) -> Value:
        """What a device has said, as a value of this type if it is one."""
        if isinstance(value, list):
            return [self.conform(element) for element in value]
        if self.is_number and isinstance(value, bool):
            return int(value)
        if self is ValueType.INT and isinstance(value, float) and value.is_integer():
            return int(value)
        if self is ValueType.BOOLEAN and isinstance(value, int | float | Decimal):
            return value != 0
        return value


Bound: TypeAlias = float | int | None


def parse_truth(text: str) -> bool:
    if text not in ("true", "false"):
        raise Refused(f"wrong type: {text!r} is neither true nor false")
    return text == "true"


def parse_integer(text: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise Refused(f"wrong type: {text!r} is not an integer")
    return int(text)


def parse_decimal(text: str) -> float | Decimal:
    """A number; a Decimal if a float would change its digits."""
    if text in NOT_FINITE:
        raise Refused(f"out of range: {text} is not finite")
    if not _DECIMAL.fullmatch(text):
        raise Refused(f"wrong type: {text!r} is not a number")
    value = float(text)
    if not math.isfinite(value):
        raise Refused(f"out of range: {text} is not finite")
    if len(text) > _FLOAT_DIGITS and len(Decimal(text).normalize().as_tuple().digits) > (
        _FLOAT_DIGITS
    ):
        return Decimal(text)
    return value


def parse_bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error) as trouble:
        raise Refused(f"wrong type: {text!r} is not base64") from trouble


def parse_array(text: str, element: Callable[[str], Value]) -> list[Value]:
    """A JSON array; each element's text is parsed by `element`."""
    try:
        # Numbers as they are written: each type has rules of its own for them.
        found = json.loads(text, parse_int=str, parse_float=str, parse_constant=str)
    except (ValueError, RecursionError) as trouble:
        raise Refused(f"wrong type: {text!r} is not a JSON array") from trouble
    if not isinstance(found, list):
        raise Refused(f"wrong type: {text!r} is not a JSON array")
    return [_element(each, element) for each in found]


def _element(found: Any, parse: Callable[[str], Value]) -> Value:
    if isinstance(found, list):
        return [_element(each, parse) for each in found]
    if isinstance(found, bool):
        return parse("true" if found else "false")
    if isinstance(found, str):
        return parse(found)
    raise Refused(f"wrong type: {json.dumps(found)} cannot be an element of an array")


def _bound_text(bound: float | int) -> str:
    return str(bound) if isinstance(bound, int) else f"{bound:g}"


def single(value: float) -> float:
    """The number with the fewest digits that is the same in 32 bits: 0.1, not 0.100000001…"""
    if value == 0.0 or not math.isfinite(value):
        return value
    # Nine significant digits tell all apart; six are enough for what people write.
    for digits in range(6 if abs(value) >= _LEAST_NORMAL else 1, 10):
        shorter = float(f"{value:.{digits}g}")
        try:
            if _FLOAT32.unpack(_FLOAT32.pack(shorter))[0] == value:
                return shorter
        except OverflowError:  # rounded up beyond the greatest
            continue
    return value


def text_of(value: Value, digits: int | None = None) -> str:
    """A value as twins carry it. `digits` are decimal places; None for as many as it takes."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, float):
        if value != value or value in (math.inf, -math.inf):
            return _not_finite(value)
        return f"{value:.{digits}f}" if digits is not None else repr(value)
    if isinstance(value, Decimal):
        return f"{value:.{digits}f}" if digits is not None else f"{value:f}"
    return _json_of(value, digits)


def _not_finite(value: float) -> str:
    return NOT_FINITE[0] if value != value else NOT_FINITE[1 if value > 0 else 2]


def _json_of(value: Value, digits: int | None) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(_json_of(each, digits) for each in value)}]"
    if isinstance(value, dict):
        fields = (
            f"{json.dumps(key, ensure_ascii=False)}: {_json_of(each, digits)}"
            for key, each in value.items()
        )
        return f"{{{', '.join(fields)}}}"
    text = str(value) if isinstance(value, int) else text_of(value, digits)
    if isinstance(value, str | bytes) or text in NOT_FINITE:
        return json.dumps(text, ensure_ascii=False)
    return text
