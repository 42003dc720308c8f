"""Values of twins: text in the cluster, numbers and texts at the device."""

from __future__ import annotations

import math
import re
from enum import Enum

Value = float | int | str | bool

_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
_DECIMAL = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")


class Refused(Exception):
    """What is desired is not fit to be written; the text says why."""


class ValueType(Enum):
    """The type of a property, in the words of a DeviceModel."""

    INT = "INT"
    FLOAT = "FLOAT"
    DOUBLE = "DOUBLE"
    STRING = "STRING"
    BOOLEAN = "BOOLEAN"

    @property
    def is_number(self) -> bool:
        return self in (ValueType.INT, ValueType.FLOAT, ValueType.DOUBLE)

    def parse(self, text: str, low: float | None = None, high: float | None = None) -> Value:
        """The value that `text` stands for; Refused if it is of another type or out of range."""
        if self is ValueType.STRING:
            return text
        if self is ValueType.BOOLEAN:
            if text not in ("true", "false"):
                raise Refused(f"wrong type: {text!r} is neither true nor false")
            return text == "true"
        pattern = _INTEGER if self is ValueType.INT else _DECIMAL
        if not pattern.fullmatch(text):
            what = "whole number" if self is ValueType.INT else "number"
            raise Refused(f"wrong type: {text!r} is no {what}")
        value: float | int = int(text) if self is ValueType.INT else float(text)
        if not math.isfinite(value):
            raise Refused(f"out of range: {text} is not finite")
        if low is not None and value < low:
            raise Refused(f"out of range: {text} is less than {low:g}")
        if high is not None and value > high:
            raise Refused(f"out of range: {text} is more than {high:g}")
        return value


def text_of(value: Value, digits: int | None = None) -> str:
    """A value as twins carry it. `digits` are decimal places; None for as many as it takes."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.{digits}f}" if digits is not None else repr(value)
    return str(value)
