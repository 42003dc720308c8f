"""The evidence on one node in one scenario, for the verdicts."""

from __future__ import annotations

import math
from dataclasses import dataclass

from edge_lab.addons.functions.records import NANOSECONDS, Activation, Event, Handled
from edge_lab.oracles.scheduling.clock import ClockBounds


@dataclass(frozen=True)
class Step:
    """One step of the device in its ground truth, for the point with the limit."""

    seq: int
    time: int
    """ns since 1970, by the host's clock."""
    value: int


@dataclass(frozen=True)
class Storm:
    """The effect of a storm on a node."""

    events: int
    drained_s: float | None
    """Seconds until all events were handled; None if they were not."""
    least_mib: float
    """Minimum of the available memory."""
    before_mib: float
    kills: int
    """Number of processes that the kernel killed for lack of memory."""


@dataclass(frozen=True)
class Orphan:
    """A function that ran when its activator was killed, or when the clock was set."""

    awake: bool
    """Whether it still ran when the activator had been started again, or the clock was wrong."""
    stopped_s: float | None
    """Seconds from then until it was stopped; None if it kept running."""
    more_events: int
    """Events of its way that crossed meanwhile, from which the activator learns of it."""

    @property
    def is_evidence(self) -> bool:
        return self.awake and not self.more_events


@dataclass(frozen=True)
class Jump:
    """The clock of a node that was set, and later corrected."""

    seconds: float
    """By how much it was to be set; negative if back."""
    before: ClockBounds | None
    during: ClockBounds | None
    """Just before the clock was corrected. None if it could not be determined."""
    wrong_since: int
    """From when on the clocks of all nodes were wrong, in the last attempt to set them; ns by the
    host's clock."""

    @property
    def moved_s(self) -> float | None:
        """By how much the clock differed from before, seconds; None if it is not known."""
        if self.before is None or self.during is None:
            return None
        return (self.before.to_host(0) - self.during.to_host(0)) / NANOSECONDS

    @property
    def error_s(self) -> float:
        """The maximum error of `moved_s`."""
        return sum(bounds.error for bounds in (self.before, self.during) if bounds is not None)


@dataclass(frozen=True)
class Evidence:
    node: str
    runtime: str
    ways: tuple[str, ...]
    events: tuple[Event, ...]
    """Events that crossed during the scenario."""
    handled: tuple[Handled, ...]
    """Handled by any function during the scenario, or events of the scenario."""
    activations: tuple[Activation, ...]
    began: int
    """Start of the judged crossings, ns by the host's clock."""
    steps: tuple[Step, ...]
    """Steps of the device during the scenario, and some before it."""
    clock: ClockBounds | None
    """None if it could not be determined."""
    asleep_s: dict[str, float | None]
    """By way, from when no event waited until no process ran; None if one keeps running."""
    until: float = math.inf
    """End of the judged crossings, ns by the host's clock: later ones may be among the events."""
    blind: tuple[tuple[int, int], ...] = ()
    """Intervals in which the node could not read its device, ns by the host's clock."""
    owed_offline: tuple[Event, ...] = ()
    """Events that had crossed before the heal."""
    handled_offline: tuple[Handled, ...] = ()
    """Events that were handled before the heal."""
    refused: frozenset[str] = frozenset()
    """Ids of events that the broker had not stored while its disk was full."""
    copies: tuple[str, ...] | None = None
    """Ids in the cloud at the end; None if they were not read."""
    repeated: int = 0
    """Number of events that were delivered again and recognized."""
    jump: Jump | None = None
    """None if no clock was to be set."""
