"""What is kept of one sender on one node in one run, for the judges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edge_lab.addons.metrics.records import Served, Stored

BEFORE, RESET, HEAL = "before", "reset", "heal"
"""Marks: the number of the last scrape before the fault, before the node lost its power, and when
all was whole again."""


@dataclass(frozen=True)
class Evidence:
    node: str
    sender: str
    runtime: str
    served: tuple[Served, ...]
    stored: tuple[Stored, ...]
    marks: Mapping[str, int]
    drained_s: float | None = None
    """From the heal until nothing was missing; None if something is."""
    series: int = 0
    """That the view has of this sender."""
    bytes_sent: float | None = None
    """That the sender has written to the cloud, by its own count, from the first mark on."""
    untrue: tuple[int, ...] = ()
    """Numbers that were served with a step that a device's ground truth does not have."""


@dataclass(frozen=True)
class Line:
    """What a view draws of one series while its node is away."""

    node: str
    sender: str
    runtime: str
    newest: float
    """The stamp of the newest sample that it has, seconds since 1970."""
    asked: float
    """When it was asked, by the clock of its own node."""
    points: tuple[float, ...]
    """Times of the points that a query over the outage draws."""
    points_before: int
    """How many of them there are up to the newest sample."""
    instant: int
    """Series that an instant query at `asked` gives."""
    absent: bool
    """Whether `absent()` says that the series is missing then."""
    warnings: tuple[str, ...] = field(default=())
    """What the answer says of itself."""
