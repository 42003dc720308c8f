"""Measures: measured values, as data for tables, reports and comparisons.

The framework does not know the names of measures: oracles, add-ons and tests create them, and
tables use only the fields of each.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StrictFloat, StrictInt, model_validator

__all__ = ["COUNT", "NOTHING", "Better", "Measure", "identifier", "number_text", "value_text"]

COUNT = "count"
"""The unit of plain numbers, such as restarts or samples."""

NOTHING = "–"
"""Shown in place of a missing value."""

Number = StrictInt | Annotated[StrictFloat, Field(allow_inf_nan=False)]
Text = Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
"""Text of one line."""


class Better(StrEnum):
    """Which values of a measure are better."""

    LOWER = "lower"
    HIGHER = "higher"
    NEITHER = "neither"

    @property
    def sign(self) -> str:
        """For tables: an arrow in the better direction."""
        return {Better.LOWER: "↓", Better.HIGHER: "↑", Better.NEITHER: ""}[self]


class Measure(BaseModel):
    """One measured value, or the reason for its absence."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    """An identifier. Values of one name and unit are compared with each other."""
    value: Number | None
    reason: Text = ""
    """The reason for a missing value; empty if there is a value."""
    unit: Annotated[str, Field(pattern=r"^[^\s\x00-\x1f\x7f]{1,16}$")]
    """`s`, `ms`, `MiB`, `%`, any other symbol without blanks; `count` for plain numbers."""
    better: Better = Better.NEITHER
    node: Text = ""
    """Its node; empty if it belongs to none."""
    evidence: Text = ""
    """What it is based on."""
    heading: Text = ""
    """Its name in tables; by default `name`. Measures of one heading share a line."""
    label: Text = ""
    """Distinguishes it from others of its heading: `restarted` in "1 restarted, 2 recreated"."""
    minor: bool = False
    """Whether tables omit it if it is 0."""

    @model_validator(mode="after")
    def _checked(self) -> Self:
        if not self.name.isidentifier():
            raise ValueError(f"the name of a measure must be an identifier, not {self.name!r}")
        if self.value is None and not self.reason:
            raise ValueError(f"{self.name} has neither a value nor a reason for its absence")
        if self.value is not None and self.reason:
            raise ValueError(f"{self.name} has both a value and a reason for its absence")
        return self

    @classmethod
    def of(
        cls,
        heading: str,
        value: float | None,
        unit: str,
        node: str,
        *,
        label: str = "",
        reason: str = "",
        evidence: str = "",
        better: Better = Better.LOWER,
        minor: bool = False,
    ) -> Self:
        """A measure whose name is made of heading and label; `reason` is used only if there is no
        value."""
        return cls(
            name=identifier(f"{heading} {label}"),
            value=value,
            reason=reason if value is None else "",
            unit=unit,
            better=better,
            node=node,
            evidence=evidence,
            heading=heading,
            label=label,
            minor=minor,
        )

    @property
    def title(self) -> str:
        """The heading, or the name as words."""
        return self.heading or self.name.replace("_", " ")

    def __str__(self) -> str:
        """In one line: node, title, value or the reason for its absence."""
        value = f"{NOTHING} ({self.reason})"
        if self.value is not None:
            value = value_text(number_text(self.value), self.unit)
        title = f"{self.title}, {self.label}" if self.label else self.title
        return ": ".join(part for part in (self.node, title, value) if part)


def identifier(title: str) -> str:
    """The name for a title: its words, joined by underscores; may be empty."""
    return re.sub(r"\W+", "_", title.lower()).strip("_")


def number_text(value: float) -> str:
    """Whole numbers unchanged; others rounded to a useful number of digits."""
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
