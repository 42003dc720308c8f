"""Evidence of one sender on one node in one run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edge_lab.addons.metrics.records import Served, Stored

BEFORE, RESET, HEAL = "before", "reset", "heal"
"""Marks: the number of the last scrape before the fault, before the loss of power, and after the
recovery."""


@dataclass(frozen=True)
class Evidence:
    node: str
    sender: str
    runtime: str
    served: tuple[Served, ...]
    stored: tuple[Stored, ...]
    marks: Mapping[str, int]
    drained_s: float | None = None
    """Seconds from the heal until nothing was missing; None if something still is."""
    series: int = 0
    """Number of series of this sender in the view."""
    bytes_sent: float | None = None
    """Bytes that the sender has written to the cloud, by its own counter, from the first mark
    on."""
    failed: tuple[int, ...] = ()
    """Timestamps of the scrapes that the sender reports as failed, ns since 1970."""
    untrue: tuple[int, ...] = ()
    """Numbers that were served with a step that is not in the device's ground truth."""


@dataclass(frozen=True)
class Line:
    """A view's graph of one series while its node is unreachable."""

    node: str
    sender: str
    runtime: str
    newest: float
    """The timestamp of its newest sample, seconds since 1970."""
    asked: float
    """Time of the query, by the clock of the view's node."""
    points: tuple[float, ...]
    """Times of the points in a range query over the outage."""
    points_before: int
    """The number of them up to the newest sample."""
    instant: int
    """Series in an instant query at `asked`."""
    absent: bool
    """Whether `absent()` says that the series is missing then."""
    warnings: tuple[str, ...] = field(default=())
    """Warnings in the response to the range query."""
    took: float = 0.0
    """Seconds that the range query took."""
