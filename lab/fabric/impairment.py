"""Impairments of a link as data: delay, loss, rate and so on."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from edge_lab.fabric.frozen import FrozenModel

LONGEST_DELAY_MS = 60_000.0
LOWEST_RATE_KBIT, HIGHEST_RATE_KBIT = 1.0, 10_000_000.0
MOST_BURST_BYTES = 1 << 24
QUEUE_FRAMES = 1_000
"""Default length of the queue before a link of limited rate, frames."""
LONGEST_QUEUE = 32_768
"""Maximum number of frames queued in one direction, for any reason."""
LEAST_MTU = 68
"""Every IPv4 network carries that much (RFC 791)."""


Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Chance = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
"""A probability that is not zero."""


class GilbertElliott(FrozenModel):
    """Loss in bursts (Gilbert-Elliott): the link is in a good or a bad state, and changes after
    each frame with probability `p` or `r`.

    netem's `loss gemodel p r 1-h 1-k`.  In the long run the link is bad for `p / (p + r)` of the
    frames; a bad period has a mean length of `1 / r` frames.
    """

    p: Chance
    """Probability of the transition from good to bad, at each frame."""
    r: Chance
    """Probability of the transition from bad to good, at each frame."""
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
        """Fraction of frames that is lost in the long run."""
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
    """The impairments of one direction of a link. The default has no effect.

    Terms and meaning are those of netem, tc-netem(8), where it has them.  For each frame it is
    determined in this order whether it is too long, lost, or duplicated, how long it waits for
    the link (rate), how long it is in transit (delay, jitter, reorder), and whether a bit is
    flipped; each with its own random numbers.  A copy is treated separately from the rate on.
    """

    delay_ms: float = Field(0.0, ge=0, le=LONGEST_DELAY_MS, allow_inf_nan=False)
    """Added to the transit time of each frame, milliseconds; never less, slightly more under
    load."""
    jitter_ms: float = Field(0.0, ge=0, le=LONGEST_DELAY_MS, allow_inf_nan=False)
    """Variation of the delay about `delay_ms`, milliseconds, independently for each frame.

    Frames overtake each other when it exceeds their distance.  A negative delay becomes 0, so
    that the mean is more than `delay_ms` where `jitter_ms` exceeds it."""
    distribution: Distribution = "uniform"
    """Distribution of the jitter:

    uniform: up to `jitter_ms` sooner or later;
    normal: `jitter_ms` is the standard deviation; cut off at four standard deviations;
    pareto: netem's table, a Pareto distribution of shape 3 about its mean: at most
    2/3 `jitter_ms` sooner, rarely far later, up to four `jitter_ms`; standard deviation 0.82."""
    loss: Probability = 0.0
    """Probability that a frame is lost, independently for each frame."""
    burst_loss: GilbertElliott | None = None
    """Loss in bursts, in place of `loss`."""
    duplicate: Probability = 0.0
    """Probability that a frame is duplicated."""
    reorder: Probability = 0.0
    """Probability that a frame skips delay and jitter, and overtakes those in transit."""
    corrupt: Probability = 0.0
    """Probability that one bit of a frame, behind its Ethernet header, is flipped."""
    rate_kbit: float | None = Field(
        None, ge=LOWEST_RATE_KBIT, le=HIGHEST_RATE_KBIT, allow_inf_nan=False
    )
    """Rate limit, 1000 bit per second, by the length of frames with their Ethernet header,
    without preamble and checksum; no limit if None."""
    burst_bytes: int = Field(0, ge=0, le=MOST_BURST_BYTES)
    """The size of the token bucket: what may pass at once after a pause.

    With 0, netem's `rate`, each frame arrives when its last bit would; a frame that is longer
    than the bucket waits for the missing tokens."""
    queue_frames: int = Field(QUEUE_FRAMES, ge=1, le=LONGEST_QUEUE)
    """Length of the queue before the rate limit, frames; further frames are dropped as overflow.
    1000 is the default of netem and of an Ethernet interface."""
    mtu: int | None = Field(None, ge=LEAST_MTU, le=65_493)
    """Longest packet that passes, bytes after the Ethernet header; longer ones are dropped without
    an ICMP message (a black hole). At least 68, the minimum of IPv4 (RFC 791)."""

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
        """Whether frames pass unchanged."""
        return all(
            getattr(self, name) == field.default for name, field in Impairment.model_fields.items()
        )

    def __str__(self) -> str:
        return ", ".join(self._words()) or "no impairment"

    def _words(self) -> list[str]:
        """A description of all impairments that are set."""
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
    """The number without insignificant digits."""
    return f"{number:.3f}".rstrip("0").rstrip(".")


def percent(probability: float) -> str:
    return f"{probability * 100:g} %"
