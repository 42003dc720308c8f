"""A long run as a story, as data: what people did, what the plan broke, and what each part did.

All times are ns since 1970.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge_lab.faults.records import FaultRecord
from edge_lab.oracles.spans import Span


@dataclass(frozen=True)
class Action:
    """Something that somebody did at one moment."""

    time: int
    label: str
    bad: bool = False
    """It was wrong, on purpose."""
    hint: str = ""


@dataclass(frozen=True)
class Stretch:
    """What was so for some time."""

    span: Span
    label: str
    bad: bool = False
    hint: str = ""


@dataclass(frozen=True)
class Row:
    """One line of a part: stretches, moments, or a curve."""

    label: str
    stretches: Sequence[Stretch] = ()
    beats: Sequence[int] = ()
    """Moments that are too many for labels, such as events."""
    curve: Sequence[tuple[int, float]] = ()
    """A value over time; it holds until the next one."""
    said: str = ""
    """Below the label of a curve: its range, with the unit."""


@dataclass(frozen=True)
class Part:
    """One part of the system with its verdict."""

    name: str
    passed: bool
    said: str
    """The verdict in a few words, with figures."""
    rows: Sequence[Row] = ()


@dataclass(frozen=True)
class Story:
    """A whole run."""

    title: str
    about: str
    span: Span
    actions: Sequence[Action]
    faults: Sequence[FaultRecord]
    parts: Sequence[Part]
    problems: Sequence[str] = ()
    """Why it has not passed."""
    left_out: Sequence[str] = ()
    """What was shortened or left out in this run."""

    @property
    def passed(self) -> bool:
        return not self.problems and all(part.passed for part in self.parts)
