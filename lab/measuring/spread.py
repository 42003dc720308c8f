"""Measures of one run, or of several, as the lines of a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edge_lab.measuring.measures import NOTHING, Better, Measure, number_text, value_text


@dataclass(frozen=True)
class Line:
    """The line of a table under one heading."""

    heading: str
    text: str
    """Minimum to maximum, by label; missing values are counted."""
    better: Better
    """The better direction of all; `NEITHER` if they differ."""
    evidence: str
    """What the values are based on."""
    reason: str
    """The reasons for missing values."""

    @property
    def title(self) -> str:
        """The heading with an arrow in the better direction."""
        return f"{self.heading} {self.better.sign}".rstrip()

    @property
    def hint(self) -> str:
        """What the values are based on, and the reasons for missing ones."""
        return "; ".join(part for part in (self.evidence, self.reason) if part)

    @property
    def whole(self) -> str:
        """The text, with the reason if there is no value at all."""
        return f"{self.text} ({self.reason})" if self.text == NOTHING else self.text


def spread(measures: Iterable[Measure]) -> tuple[Line, ...]:
    """A line for each heading, in order of appearance.

    Values of one name and unit come from several runs and are shown as a range.
    """
    headings: dict[str, dict[tuple[str, str], list[Measure]]] = {}
    for measure in measures:
        same = headings.setdefault(measure.title, {})
        same.setdefault((measure.name, measure.unit), []).append(measure)
    lines = (_line(heading, list(kinds.values())) for heading, kinds in headings.items())
    return tuple(line for line in lines if line is not None)


def _line(heading: str, kinds: Sequence[Sequence[Measure]]) -> Line | None:
    """None if it has only measures that tables omit."""
    shown = [values for values in kinds if not _left_out(values)]
    if not shown:
        return None
    parts = [_part(values) for values in shown if _known(values)]
    ways = {values[0].better for values in shown}
    rests = [measure.evidence for values in shown for measure in values if measure.evidence]
    lacks = [measure.reason for values in shown for measure in values if measure.reason]
    return Line(
        heading=heading,
        text=", ".join(parts) or NOTHING,
        better=ways.pop() if len(ways) == 1 else Better.NEITHER,
        evidence="; ".join(dict.fromkeys(rests)),
        reason="; ".join(dict.fromkeys(lacks)),
    )


def _left_out(values: Sequence[Measure]) -> bool:
    return values[0].minor and not any(measure.value for measure in values)


def _known(values: Sequence[Measure]) -> list[float]:
    return [measure.value for measure in values if measure.value is not None]


def _part(values: Sequence[Measure]) -> str:
    known = _known(values)
    least, most = number_text(min(known)), number_text(max(known))
    numbers = least if least == most else f"{least}–{most}"
    shown = value_text(numbers, values[0].unit)
    if len(known) < len(values):
        shown += f" ({NOTHING} in {len(values) - len(known)} of {len(values)})"
    return f"{shown} {values[0].label}".rstrip()
