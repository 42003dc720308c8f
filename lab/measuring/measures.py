"""Measures: what was measured, as data that tables, reports and comparisons read.

Nothing in the framework knows the names of measures: an oracle, an add-on or a test makes them,
and whoever shows them goes by what each says of itself.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StrictFloat, StrictInt, model_validator

__all__ = ["COUNT", "NOTHING", "Better", "Measure", "identifier", "number_text", "value_text"]

COUNT = "count"
"""The unit of what has none: restarts, samples."""

NOTHING = "–"
"""Stands for a value that there is not."""

Number = StrictInt | Annotated[StrictFloat, Field(allow_inf_nan=False)]
Text = Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
"""Text of one line."""


class Better(StrEnum):
    """Which of two values of a measure is the better one."""

    LOWER = "lower"
    HIGHER = "higher"
    NEITHER = "neither"

    @property
    def sign(self) -> str:
        """For tables: an arrow to where it is better."""
        return {Better.LOWER: "↓", Better.HIGHER: "↑", Better.NEITHER: ""}[self]


class Measure(BaseModel):
    """One value that was measured, or why there is none."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    """An identifier. Values of one name and unit are compared with each other."""
    value: Number | None
    reason: Text = ""
    """Why there is no value; empty if there is one."""
    unit: Annotated[str, Field(pattern=r"^[^\s\x00-\x1f\x7f]{1,16}$")]
    """`s`, `ms`, `MiB`, `%`, any other symbol without blanks; `count` for plain numbers."""
    better: Better = Better.NEITHER
    node: Text = ""
    """The node that it is of; empty if it is of none."""
    evidence: Text = ""
    """What it rests on."""
    heading: Text = ""
    """What tables call it; the name, if left empty. Measures of one heading share a line."""
    label: Text = ""
    """What tells it from others of its heading: `restarted` in "1 restarted, 2 recreated"."""
    minor: bool = False
    """Tables leave it out where it is 0."""

    @model_validator(mode="after")
    def _checked(self) -> Self:
        if not self.name.isidentifier():
            raise ValueError(f"the name of a measure must be an identifier, not {self.name!r}")
        if self.value is None and not self.reason:
            raise ValueError(f"{self.name} has neither a value nor a reason for its absence")
        if self.value is not None and self.reason:
            raise ValueError(f"{self.name} has both a value and a reason for its absence")
        return self

    @property
    def title(self) -> str:
        """The heading, or the name as words."""
        return self.heading or self.name.replace("_", " ")

    def __str__(self) -> str:
        """In a line: node, title, value or why there is none."""
        value = f"{NOTHING} ({self.reason})"
        if self.value is not None:
            value = value_text(number_text(self.value), self.unit)
        title = f"{self.title}, {self.label}" if self.label else self.title
        return ": ".join(part for part in (self.node, title, value) if part)


def identifier(title: str) -> str:
    """The name that goes with a title: its words, joined by underscores; may be empty."""
    return re.sub(r"\W+", "_", title.lower()).strip("_")


def number_text(value: float) -> str:
    """Whole numbers as they are; others with the digits that a reader can use."""
    if isinstance(value, int):
        return str(value)
    size = abs(value)
    if size and not 1 <= size < 1e15:
        return f"{value:.3g}"
    return f"{value:.0f}" if size >= 99.95 else f"{value:.1f}"


def value_text(number: str, unit: str) -> str:
    """A number, or a range of them, with its unit."""
    if unit == COUNT:
        return number
    return f"{number}{unit}" if unit == "%" else f"{number} {unit}"
