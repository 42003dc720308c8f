"""Fields of configData, validated strictly.

By way of protobuf whole numbers come as floats; by hand they come as text at times.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

MALFORMED = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, struct.error)
"""What is raised in many places by what makes no sense: by what people write, by what devices
say.  Of one property or one object, it must not take the others with it."""


def whole(given: Any, name: str, low: int, high: int) -> int:
    """An integer within its bounds; ValueError for anything else."""
    try:
        value = int(given)
    except (TypeError, ValueError, OverflowError) as trouble:
        raise ValueError(f"{name}: {given!r} is not an integer") from trouble
    if isinstance(given, bool) or (not isinstance(given, str) and value != given):
        raise ValueError(f"{name}: {given!r} is not an integer")
    if not low <= value <= high:
        raise ValueError(f"{name}: {value} is not in the range {low} to {high}")
    return value


def one_of(given: Any, name: str, words: Sequence[str]) -> str:
    """One of the words; ValueError names them all."""
    if given not in words:
        raise ValueError(f"{name}: {given!r} is not one of {', '.join(words)}")
    return str(given)


def flag(given: Any, name: str) -> bool:
    """True or false, false if nothing is given."""
    if given in (None, ""):
        return False
    if isinstance(given, bool):
        return given
    if given in ("true", "false"):
        return bool(given == "true")
    raise ValueError(f"{name}: {given!r} is neither true nor false")
