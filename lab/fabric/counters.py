"""What became of frames: how many passed, and why the others did not."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from edge_lab.fabric.frozen import FrozenModel


class Reason(StrEnum):
    """Why a frame was not handed on."""

    CUT = "cut"
    DROP = "drop"
    HALF_OPEN = "half-open"
    """A TCP segment of a connection that was not seen to open."""
    FLAP = "flap"
    """The link was in the down part of a flap."""
    MTU = "mtu"
    """Its packet is longer than the line takes; nobody is told."""
    LOSS = "loss"
    OVERFLOW = "overflow"
    """Too many frames wait for their time, or the endpoint's socket takes no more."""
    UNREACHABLE = "unreachable"
    """Nobody listens at the endpoint's port: the endpoint is not up."""
    RUNT = "runt"
    """Shorter than an Ethernet header: no frame."""
    FLUSHED = "flushed"
    """In flight when a checkpoint was loaded."""


class Counters(FrozenModel):
    """Frames of one direction since the fabric began.

    `frames + copies == forwarded + in_flight + sum(dropped.values())` at every moment.
    """

    frames: int = 0
    """Frames that entered this direction."""
    bytes: int = 0
    """Their length, without preamble and checksum."""
    forwarded: int = 0
    """Frames that left it: into the network (tx) or to the endpoint's socket (rx)."""
    copies: int = 0
    """Frames that were added by duplication; not in `frames`, nor in `bytes`."""
    corrupted: int = 0
    """Frames of which a bit was flipped; they count as any other for the rest."""
    in_flight: int = 0
    """Frames that wait for their time."""
    dropped: dict[Reason, int] = Field(default_factory=dict)
    """By reason; reasons that never came up are left out."""

    @property
    def lost(self) -> int:
        """All frames that were not handed on, whatever the reason."""
        return sum(self.dropped.values())


class LinkCounters(FrozenModel):
    tx: Counters
    rx: Counters
