"""What a wire does to frames and what became of them: the data that goes in and out."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

LONGEST_DELAY_MS = 60_000.0


class Direction(StrEnum):
    """Named from the endpoint: `tx` is what it sends, `rx` what it receives."""

    TX = "tx"
    RX = "rx"


class Mode(StrEnum):
    """Whether frames pass at all."""

    PASS = "pass"  # noqa: S105 - no password
    CUT = "cut"
    """The cable is out; the lab takes the endpoint's carrier down as well."""
    DROP = "drop"
    """Frames vanish, and the carrier stays up."""


class Reason(StrEnum):
    """Why a frame was not handed on."""

    CUT = "cut"
    DROP = "drop"
    LOSS = "loss"
    OVERFLOW = "overflow"
    """Too many frames wait for their time, or the endpoint's socket takes no more."""
    UNREACHABLE = "unreachable"
    """Nobody listens at the endpoint's port: the endpoint is not up."""
    RUNT = "runt"
    """Shorter than an Ethernet header: no frame."""
    FLUSHED = "flushed"
    """In flight when a checkpoint was loaded."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DirectionState(_Model):
    """What one direction of one link does to the frames in it. The default does nothing."""

    mode: Mode = Mode.PASS
    delay_ms: float = Field(0.0, ge=0, le=LONGEST_DELAY_MS, allow_inf_nan=False)
    """Added to each frame's way, milliseconds; never less, a little more under load."""
    loss: float = Field(0.0, ge=0, le=1, allow_inf_nan=False)
    """Probability that a frame is lost, each on its own."""

    @property
    def is_clear(self) -> bool:
        """Whether frames pass untouched."""
        return self == CLEAR

    def __str__(self) -> str:
        if self.mode is not Mode.PASS:
            return self.mode.value
        parts = []
        if self.delay_ms:
            parts.append(f"delay {self.delay_ms:g} ms")
        if self.loss:
            parts.append(f"loss {self.loss * 100:g} %")
        return ", ".join(parts) or "up"


CLEAR = DirectionState()
CUT = DirectionState(mode=Mode.CUT)
DROP = DirectionState(mode=Mode.DROP)


class Counters(_Model):
    """Frames of one direction since the fabric began.

    `frames == forwarded + in_flight + sum(dropped.values())` at every moment.
    """

    frames: int = 0
    """Frames that entered this direction."""
    bytes: int = 0
    """Their length, without preamble and checksum."""
    forwarded: int = 0
    """Frames that left it: into the network (tx) or to the endpoint's socket (rx)."""
    in_flight: int = 0
    """Frames that wait for their time."""
    dropped: dict[Reason, int] = Field(default_factory=dict)
    """By reason; reasons that never came up are left out."""

    @property
    def lost(self) -> int:
        """All frames that were not handed on, whatever the reason."""
        return sum(self.dropped.values())


class LinkCounters(_Model):
    tx: Counters
    rx: Counters


class LinkStatus(_Model):
    """One link as it is now."""

    name: str
    network: str
    tx: DirectionState
    rx: DirectionState
    counters: LinkCounters
    capture: Path | None = None
    """The file that frames are being captured to."""
    capture_error: str = ""
    """Why the last capture ended by itself (a full disk, say)."""

    @property
    def state(self) -> str:
        """In words: `up`, `cut`, or what each direction does where they differ."""
        if self.tx == self.rx:
            return str(self.tx)
        return f"tx {self.tx}; rx {self.rx}"


class PipeSnapshot(_Model):
    """All that decides what one direction does to the frames to come."""

    state: DirectionState
    positions: dict[str, Annotated[int, Field(ge=0)]] = Field(default_factory=dict)
    """By stage: how many random numbers it has drawn."""
    memory: dict[str, int] = Field(default_factory=dict)
    """By stage: what it keeps from frame to frame."""


class LinkSnapshot(_Model):
    tx: PipeSnapshot
    rx: PipeSnapshot


class FabricSnapshot(_Model):
    """All that decides what the fabric does to the frames to come."""

    seed: int
    links: dict[str, LinkSnapshot]
