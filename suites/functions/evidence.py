"""What is kept of one node in one scenario, for the judges."""

from __future__ import annotations

from dataclasses import dataclass

from edge_lab.addons.functions.records import Activation, Event, Handled
from edge_lab.oracles.scheduling.clock import ClockBounds


@dataclass(frozen=True)
class Step:
    """One step of the device, by its ground truth: of the point that has the limit."""

    seq: int
    time: int
    """ns since 1970, by the host's clock."""
    value: int


@dataclass(frozen=True)
class Storm:
    """What a storm did to a node."""

    events: int
    drained_s: float | None
    """Until all was handled; None if it was not."""
    least_mib: float
    """Least memory that was available."""
    before_mib: float
    kills: int
    """Processes that the kernel has killed for want of memory."""


@dataclass(frozen=True)
class Evidence:
    node: str
    runtime: str
    ways: tuple[str, ...]
    events: tuple[Event, ...]
    """That crossed while the scenario was on."""
    handled: tuple[Handled, ...]
    """By any function while it was on, or of its events."""
    activations: tuple[Activation, ...]
    began: int
    """ns by the host's clock: crossings from then on are judged."""
    steps: tuple[Step, ...]
    """Of the device meanwhile, and some of before."""
    clock: ClockBounds | None
    """None if it could not be told."""
    asleep_s: dict[str, float | None]
    """By way, from when nothing was owed until no process of it ran; None if one runs on."""
    blind: tuple[tuple[int, int], ...] = ()
    """When the node could not look at its device, ns by the host's clock."""
    owed_offline: tuple[Event, ...] = ()
    """Those that had crossed when the node was about to be healed."""
    handled_offline: tuple[Handled, ...] = ()
    """Those that were handled by then."""
    refused: frozenset[str] = frozenset()
    """Ids of those that the broker had not stored when its disk had been full."""
    copies: tuple[str, ...] | None = None
    """Ids in the cloud at the end, where that is looked at."""
    repeated: int = 0
    """Events that were delivered again and known."""
