"""What a bad line does to frames: delay, loss, rate and so on, as data."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from edge_lab.fabric.frozen import FrozenModel

LONGEST_DELAY_MS = 60_000.0
LOWEST_RATE_KBIT, HIGHEST_RATE_KBIT = 1.0, 10_000_000.0
MOST_BURST_BYTES = 1 << 24
QUEUE_FRAMES = 1_000
"""Frames that wait for a line of limited rate, if nothing else is said."""
LONGEST_QUEUE = 32_768
"""Most frames that wait in one direction, whatever they wait for."""
LEAST_MTU = 68
"""Every IPv4 network carries that much (RFC 791)."""


Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Chance = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
"""A probability that is not zero."""


class GilbertElliott(FrozenModel):
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
        parts = [f"p {percent(self.p)}", f"r {percent(self.r)}"]
        if self.bad != 1:
            parts.append(f"bad {percent(self.bad)}")
        if self.good:
            parts.append(f"good {percent(self.good)}")
        return " ".join(parts)


Distribution = Literal["uniform", "normal", "pareto"]


class Impairment(FrozenModel):
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
            words.append(f"loss {percent(self.loss)}")
        if self.burst_loss:
            words.append(f"burst loss {self.burst_loss}")
        words += [
            f"{name} {percent(probability)}"
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


def _plain(number: float) -> str:
    """All its digits, and none that say nothing."""
    return f"{number:.3f}".rstrip("0").rstrip(".")


def percent(probability: float) -> str:
    return f"{probability * 100:g} %"
