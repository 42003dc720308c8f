"""Durations as Go and Kubernetes write them: `90s`, `5m`, `1m30s`, `500ms`."""

from __future__ import annotations

import math
import re
from datetime import timedelta
from typing import Annotated, Any

import durationpy
from pydantic import BeforeValidator, Field

_WHOLE = re.compile(r"(?:[0-9]+(?:\.[0-9]*)?(?:ns|us|µs|μs|ms|s|m|h))+")
LONGEST = timedelta.max.total_seconds() - 1
"""Seconds; a longer duration could not be shown."""
_HOW = "write it as 90s, 5m, 1m30s or 500ms"


def parse_duration(text: str) -> float:
    """Seconds; ValueError says how to write a duration."""
    text = text.strip()
    if text == "0":
        return 0.0
    if text.startswith("-"):
        raise ValueError(f"{text!r} is negative: {_HOW}")
    # durationpy ignores text between two numbers, and accepts years.
    if not _WHOLE.fullmatch(text):
        raise ValueError(f"{text!r} is not a duration: {_HOW}")
    try:
        return durationpy.from_str(text).total_seconds()
    except durationpy.DurationError as trouble:
        raise ValueError(f"{text!r} is out of range for a duration: {_HOW}") from trouble


def show_duration(seconds: float) -> str:
    """Formatted for `parse_duration`, rounded to milliseconds: 90 is `1m30s`."""
    whole, ms = divmod(round(seconds * 1000), 1000)
    text = durationpy.to_str(timedelta(seconds=whole)) if whole else ""
    if not ms:
        return text or "0s"
    if not whole:
        return f"{ms}ms"
    rest = f"{whole % 60}.{ms:03d}".rstrip("0")
    return re.sub(r"\d*s$|$", f"{rest}s", text, count=1)


def _seconds(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError(f"{str(value).lower()} is not a duration: {_HOW}")  # noqa: TRY004
    if isinstance(value, str):
        return parse_duration(value)
    if isinstance(value, int | float) and (value < 0 or not math.isfinite(value)):
        raise ValueError(f"{value:g} is not a duration: {_HOW}")
    if isinstance(value, int | float) and value > LONGEST:
        raise ValueError(f"{value:g} is out of range for a duration: {_HOW}")
    return value


Seconds = Annotated[
    float,
    BeforeValidator(_seconds, json_schema_input_type=float | str),
    Field(ge=0, allow_inf_nan=False),
]
"""A duration in a file, in seconds; a plain number is a number of seconds."""
