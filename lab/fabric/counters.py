"""Counters of frames: how many were forwarded, and why the others were dropped."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from edge_lab.fabric.frozen import FrozenModel


class Reason(StrEnum):
    """Why a frame was dropped."""

    CUT = "cut"
    DROP = "drop"
    HALF_OPEN = "half-open"
    """A TCP segment of a connection that was not seen to open."""
    FLAP = "flap"
    """The link was in the down part of a flap."""
    MTU = "mtu"
    """Its packet is longer than the MTU; no ICMP message is sent."""
    LOSS = "loss"
    OVERFLOW = "overflow"
    """Too many frames are queued, or the endpoint's socket buffer is full."""
    UNREACHABLE = "unreachable"
    """No process listens on the endpoint's port: the endpoint is not up."""
    RUNT = "runt"
    """Shorter than an Ethernet header: not a frame."""
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
    """Frames that are queued until they are due."""
    dropped: dict[Reason, int] = Field(default_factory=dict)
    """By reason; reasons that never occurred are omitted."""

    @property
    def lost(self) -> int:
        """All dropped frames, whatever the reason."""
        return sum(self.dropped.values())


class LinkCounters(FrozenModel):
    tx: Counters
    rx: Counters
