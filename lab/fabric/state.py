"""What a wire does to frames and what became of them: the data that goes in and out."""

from __future__ import annotations

from enum import StrEnum
from ipaddress import IPv4Address
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

LONGEST_DELAY_MS = 60_000.0
LOWEST_RATE_KBIT, HIGHEST_RATE_KBIT = 1.0, 10_000_000.0
MOST_BURST_BYTES = 1 << 24
QUEUE_FRAMES = 1_000
"""Frames that wait for a line of limited rate, if nothing else is said."""
LONGEST_QUEUE = 32_768
"""Most frames that wait in one direction, whatever they wait for."""
LEAST_MTU = 68
"""Every IPv4 network carries that much (RFC 791)."""


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
    HALF_OPEN = "half-open"
    """TCP connections that stand when it is set die in silence, as behind a firewall that has
    lost its table; what begins with a SYN passes, and so does all that is not TCP in IPv4.
    A change of the impairment alone lets live what has begun meanwhile."""


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


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Match(_Model):
    """Describes frames, IPv4 without a VLAN tag only. Everything that is given must fit.

    Fragments of a packet behind its first have no ports: they fit by protocol and peer, and
    never where ports are given.
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


Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Chance = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
"""A probability that is not zero."""


class GilbertElliott(_Model):
    """Loss in bursts: a line that is good or bad, and changes after a frame with `p` or `r`.

    netem's `loss gemodel p r 1-h 1-k`.  In the long run `p / (p + r)` of the time is bad; a bad
    time is `1 / r` frames long in the mean.
    """

    p: Chance
    """Probability that the line turns from good to bad, at each frame."""
    r: Chance
    """Probability that it turns from bad to good, at each frame."""
    bad: Chance = 1.0
    """Probability that a frame is lost while the line is bad (netem's 1-h)."""
    good: Probability = 0.0
    """Probability that a frame is lost while the line is good (netem's 1-k)."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.good >= self.bad:
            raise ValueError(
                f"`good` must be less than `bad`: good {self.good:g}, bad {self.bad:g}"
            )
        return self

    @property
    def loss(self) -> float:
        """Part of the frames that is lost in the long run."""
        return (self.p * self.bad + self.r * self.good) / (self.p + self.r)

    def __str__(self) -> str:
        parts = [f"p {_percent(self.p)}", f"r {_percent(self.r)}"]
        if self.bad != 1:
            parts.append(f"bad {_percent(self.bad)}")
        if self.good:
            parts.append(f"good {_percent(self.good)}")
        return " ".join(parts)


Distribution = Literal["uniform", "normal", "pareto"]


class Impairment(_Model):
    """What a bad line does to frames. The default does nothing.

    Terms and meaning are those of netem, tc-netem(8), where it has them.  Of each frame it is
    asked in this order whether it is too long, lost, doubled, how long it waits for the line
    (rate), how long it is under way (delay, jitter, reorder), and whether a bit is flipped;
    each with random numbers of its own.  A copy is asked for itself from the rate on.
    """

    delay_ms: float = Field(0.0, ge=0, le=LONGEST_DELAY_MS, allow_inf_nan=False)
    """Added to each frame's way, milliseconds; never less, a little more under load."""
    jitter_ms: float = Field(0.0, ge=0, le=LONGEST_DELAY_MS, allow_inf_nan=False)
    """How far the delay strays from `delay_ms`, milliseconds, each frame on its own.

    Frames overtake each other when it is more than their distance.  What would be a negative
    delay is none, so that the mean is more than `delay_ms` where jitter reaches beyond it."""
    distribution: Distribution = "uniform"
    """How jitter is spread:

    uniform: evenly up to `jitter_ms` sooner and later;
    normal: `jitter_ms` is the standard deviation, four of them the most;
    pareto: netem's table, a Pareto law of shape 3 about its mean: at most 2/3 `jitter_ms` sooner,
    and seldom, but then by far, later, up to four `jitter_ms`; standard deviation 0.82."""
    loss: Probability = 0.0
    """Probability that a frame is lost, each on its own."""
    burst_loss: GilbertElliott | None = None
    """Loss in bursts, in place of `loss`."""
    duplicate: Probability = 0.0
    """Probability that a frame comes twice."""
    reorder: Probability = 0.0
    """Probability that a frame skips delay and jitter, and overtakes those under way."""
    corrupt: Probability = 0.0
    """Probability that one bit of a frame, behind its Ethernet header, is flipped."""
    rate_kbit: float | None = Field(
        None, ge=LOWEST_RATE_KBIT, le=HIGHEST_RATE_KBIT, allow_inf_nan=False
    )
    """What the line carries, 1000 bit a second, by the length of frames with their Ethernet
    header, without preamble and checksum; as much as there is if None."""
    burst_bytes: int = Field(0, ge=0, le=MOST_BURST_BYTES)
    """What may pass at once after a pause (the size of a token bucket).

    With 0, netem's `rate`, each frame arrives when its last bit would; a frame that is longer
    than the bucket waits for what it lacks."""
    queue_frames: int = Field(QUEUE_FRAMES, ge=1, le=LONGEST_QUEUE)
    """Frames that may wait for the line; what comes on top is dropped as overflow. 1000 is what
    netem and an Ethernet interface have."""
    mtu: int | None = Field(None, ge=LEAST_MTU, le=65_493)
    """Longest packet that passes, bytes behind the Ethernet header; longer ones vanish, and no
    ICMP tells of it (a black hole). From 68, the least of IPv4 (RFC 791)."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.loss and self.burst_loss:
            raise ValueError(
                "use `loss` or `burst_loss`, not both; `good` of `burst_loss` is the loss "
                "outside bursts"
            )
        if self.reorder and not self.delay_ms:
            raise ValueError(
                "`reorder` needs `delay_ms`: frames without a delay cannot be overtaken"
            )
        if self.distribution != "uniform" and not self.jitter_ms:
            raise ValueError("`distribution` needs `jitter_ms`")
        if self.rate_kbit is None and self.burst_bytes:
            raise ValueError("`burst_bytes` needs `rate_kbit`")
        if self.rate_kbit is None and self.queue_frames != QUEUE_FRAMES:
            raise ValueError("`queue_frames` needs `rate_kbit`")
        return self

    @property
    def is_clear(self) -> bool:
        """Whether frames pass untouched."""
        return all(
            getattr(self, name) == field.default for name, field in Impairment.model_fields.items()
        )

    def __str__(self) -> str:
        return ", ".join(self._words()) or "no impairment"

    def _words(self) -> list[str]:
        """All that is set."""
        words = []
        if self.delay_ms or self.jitter_ms:
            delay = f"delay {self.delay_ms:g} ms"
            if self.jitter_ms:
                delay += f" ± {self.jitter_ms:g} ms"
            words.append(
                delay if self.distribution == "uniform" else f"{delay} {self.distribution}"
            )
        if self.loss:
            words.append(f"loss {_percent(self.loss)}")
        if self.burst_loss:
            words.append(f"burst loss {self.burst_loss}")
        words += [
            f"{name} {_percent(probability)}"
            for name, probability in (
                ("duplicate", self.duplicate),
                ("reorder", self.reorder),
                ("corrupt", self.corrupt),
            )
            if probability
        ]
        if self.rate_kbit is not None:
            rate = f"{_plain(self.rate_kbit)} kbit/s"
            if self.burst_bytes:
                rate += f" burst {self.burst_bytes} bytes"
            if self.queue_frames != QUEUE_FRAMES:
                rate += f" queue {self.queue_frames} frames"
            words.append(rate)
        if self.mtu is not None:
            words.append(f"mtu {self.mtu}")
        return words


class FlapTimes(_Model):
    """When a link that flaps is down, counted from the moment that it was set.

    Each period begins with its down part. After the last one the link stays up.
    """

    period_ms: float = Field(gt=0, le=3_600_000, allow_inf_nan=False)
    """Down and up together, milliseconds."""
    duty: float = Field(0.5, gt=0, lt=1, allow_inf_nan=False)
    """Part of a period for which frames vanish."""
    count: int = Field(ge=1, le=10_000)
    jitter: float = Field(0.0, ge=0, lt=1, allow_inf_nan=False)
    """Each period is up to so much of itself longer or shorter, evenly spread."""
    seed: int = Field(0, ge=0)

    def __str__(self) -> str:
        jitter = f" ± {_percent(self.jitter)}" if self.jitter else ""
        return f"flap {self.count} × {self.period_ms / 1000:g} s{jitter}"


class DirectionState(Impairment):
    """What one direction of one link does to the frames in it. The default does nothing.

    What the mode lets pass goes through the impairment.
    """

    mode: Mode = Mode.PASS
    match: Match | None = None
    """With mode drop: only these frames vanish."""
    flap: FlapTimes | None = None
    """All frames vanish now and then; what passes goes through the impairment."""

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
        """Whether frames pass untouched."""
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


class Counters(_Model):
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


class LinkCounters(_Model):
    tx: Counters
    rx: Counters


class CaptureStatus(_Model):
    """One capture of a link, as the fabric sees it."""

    to: str
    """Where it goes, in the words of whoever asked for it."""
    frames: int = 0
    """Frames that were to be captured so far."""
    dropped: int = 0
    """Those of them that were left out, as the reader was too slow."""


class LinkStatus(_Model):
    """One link as it is now."""

    name: str
    network: str
    tx: DirectionState
    rx: DirectionState
    counters: LinkCounters
    captures: tuple[CaptureStatus, ...] = ()
    """Those that are under way."""

    @property
    def state(self) -> str:
        """In words: `up`, `cut`, or what each direction does where they differ."""
        if self.tx == self.rx:
            return str(self.tx)
        return f"tx {self.tx}; rx {self.rx}"


Connection = Annotated[str, Field(pattern=r"^[0-9a-f]{24}$")]
"""Source and destination address, source and destination port of TCP, hexadecimal."""
Memory = int | tuple[Connection, ...]
"""What one stage keeps from frame to frame."""


class PipeSnapshot(_Model):
    """All that decides what one direction does to the frames to come."""

    state: DirectionState
    positions: dict[str, Annotated[int, Field(ge=0)]] = Field(default_factory=dict)
    """By stage: how many random numbers it has drawn."""
    memory: dict[str, Memory] = Field(default_factory=dict)
    """By stage: what it keeps from frame to frame."""


class LinkSnapshot(_Model):
    tx: PipeSnapshot
    rx: PipeSnapshot


class FabricSnapshot(_Model):
    """All that decides what the fabric does to the frames to come."""

    seed: int
    links: dict[str, LinkSnapshot]


def _plain(number: float) -> str:
    """All its digits, and none that say nothing."""
    return f"{number:.3f}".rstrip("0").rstrip(".")


def _percent(probability: float) -> str:
    return f"{probability * 100:g} %"
