"""The state of one direction of a link: pass, drop, flap, impairment."""

from __future__ import annotations

from enum import StrEnum
from ipaddress import IPv4Address
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from edge_lab.fabric.frozen import FrozenModel
from edge_lab.fabric.impairment import Impairment, percent


class Direction(StrEnum):
    """Named from the endpoint: `tx` is what it sends, `rx` what it receives."""

    TX = "tx"
    RX = "rx"


class Mode(StrEnum):
    """Whether frames pass at all."""

    PASS = "pass"  # noqa: S105 - no password
    CUT = "cut"
    """The cable is unplugged; the lab also takes the endpoint's carrier down."""
    DROP = "drop"
    """Frames are dropped, and the carrier stays up."""
    HALF_OPEN = "half-open"
    """TCP connections that exist when it is set die silently, as behind a firewall that has lost
    its connection table; connections that begin with a SYN pass, and so does everything but TCP
    over IPv4. A change of the impairment alone keeps the connections opened meanwhile."""


class Match(FrozenModel):
    """A filter for frames, IPv4 without a VLAN tag only. All fields that are given must match.

    Fragments of a packet after its first have no ports: they match by protocol and peer, and
    never if ports are given.
    """

    protocol: Literal["tcp", "udp", "icmp"] | None = None
    ports: tuple[Annotated[int, Field(ge=1, le=65_535)], ...] = ()
    """Source or destination port, TCP or UDP; any if empty."""
    peer: IPv4Address | None = None
    """Source or destination address."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.ports and self.protocol == "icmp":
            raise ValueError("icmp has no ports: use either `protocol: icmp` or `ports`")
        return self

    def __str__(self) -> str:
        parts = [self.protocol or "", *map(str, self.ports), str(self.peer or "")]
        return " ".join(part for part in parts if part) or "ipv4"


class FlapTimes(FrozenModel):
    """When a link that flaps is down, counted from the moment that it was set.

    Each period begins with its down part. After the last one the link stays up.
    """

    period_ms: float = Field(gt=0, le=3_600_000, allow_inf_nan=False)
    """Down and up together, milliseconds."""
    duty: float = Field(0.5, gt=0, lt=1, allow_inf_nan=False)
    """Fraction of a period in which frames are dropped."""
    count: int = Field(ge=1, le=10_000)
    jitter: float = Field(0.0, ge=0, lt=1, allow_inf_nan=False)
    """Variation of the length of each period, as a fraction, uniformly distributed."""
    seed: int = Field(0, ge=0)

    def __str__(self) -> str:
        jitter = f" ± {percent(self.jitter)}" if self.jitter else ""
        return f"flap {self.count} × {self.period_ms / 1000:g} s{jitter}"


class DirectionState(Impairment):
    """The state of one direction of one link. By default frames pass unchanged.

    Frames that the mode passes are subject to the impairment.
    """

    mode: Mode = Mode.PASS
    match: Match | None = None
    """With mode drop: only matching frames are dropped."""
    flap: FlapTimes | None = None
    """All frames are dropped periodically; the others are subject to the impairment."""

    @model_validator(mode="after")
    def _selective(self) -> Self:
        if self.flap is not None and self.mode is not Mode.PASS:
            raise ValueError(f"`flap` needs mode pass, not {self.mode.value}")
        if self.match is not None and self.mode is not Mode.DROP:
            raise ValueError(
                f"`match` selects the frames to drop: it needs mode drop, not {self.mode.value}"
            )
        return self

    @property
    def is_clear(self) -> bool:
        """Whether frames pass unchanged."""
        return self.mode is Mode.PASS and self.flap is None and super().is_clear

    @property
    def is_closed(self) -> bool:
        """Whether no frame passes at all."""
        return self.mode is Mode.CUT or (self.mode is Mode.DROP and self.match is None)

    def __str__(self) -> str:
        if self.is_closed:
            return self.mode.value
        words = self._words()
        if self.match is not None:
            words.insert(0, f"drop {self.match}")
        elif self.flap is not None:
            words.insert(0, str(self.flap))
        elif self.mode is not Mode.PASS:
            words.insert(0, self.mode.value)
        return ", ".join(words) or "up"


CLEAR = DirectionState()
CUT = DirectionState(mode=Mode.CUT)
DROP = DirectionState(mode=Mode.DROP)
