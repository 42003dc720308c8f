"""By what a fault on a wire is known: what to ask over the wire, and what must come of it.

A fault is proved when all of its signs have been seen.  Each sign says beside that whether
the wire as it was would have shown it too: then it proves nothing, and the caller is told.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from edge_lab.fabric.state import Counters, DirectionState, Impairment, LinkCounters, Reason
from edge_lab.faults.kinds import Way
from edge_lab.faults.probe import Burst, Question

PLAIN = Question(interval=0.1)

MOST_PINGS = 400
PER_EVENT = 1.5
"""So many times as many pings as it takes on average for one to be befallen: they are asked
again until one is."""

QUICK = 0.01
"""Seconds between pings of a burst that is to meet something rare."""

SOONEST = {"uniform": 1.0, "normal": 4.0, "pareto": 2 / 3}
"""So many times its jitter a frame may come sooner than its delay, by distribution."""

LATEST = 4.0
"""So many times its jitter a frame comes later at most, whatever the distribution."""


_ON_PURPOSE = (
    Reason.CUT,
    Reason.DROP,
    Reason.HALF_OPEN,
    Reason.FLAP,
    Reason.MTU,
    Reason.LOSS,
)


@dataclass(frozen=True)
class Grown:
    """What the fabric has counted since then on the link, in the fault's own directions."""

    before: LinkCounters
    now: LinkCounters
    ways: tuple[Way, ...]

    def dropped(self, *reasons: Reason) -> int:
        return sum(
            new.dropped.get(reason, 0) - old.dropped.get(reason, 0)
            for old, new in self._pairs
            for reason in reasons
        )

    @property
    def copies(self) -> int:
        return sum(new.copies - old.copies for old, new in self._pairs)

    @property
    def befallen(self) -> int:
        """Frames that were dropped, doubled or altered on purpose."""
        return self.dropped(*_ON_PURPOSE) + self.copies + self.corrupted

    @property
    def corrupted(self) -> int:
        return sum(new.corrupted - old.corrupted for old, new in self._pairs)

    @property
    def _pairs(self) -> tuple[tuple[Counters, Counters], ...]:
        return tuple((getattr(self.before, way), getattr(self.now, way)) for way in self.ways)


@dataclass(frozen=True)
class Sign:
    """One thing to be seen."""

    what: str
    question: Question
    seen: Callable[[Burst, Grown], bool]
    usual: Callable[[Burst], bool] | None = None
    """Whether a wire without the fault shows it as well, by this burst of before; None if none
    could."""


def signs_of(own: list[DirectionState], other: list[DirectionState]) -> tuple[Sign, ...]:
    """The signs of the impairments `own` of a fault; a ping crosses what is `other` as well."""
    return tuple(_signs_of(own, [*own, *other]))


def _signs_of(own: list[DirectionState], all_: list[DirectionState]) -> Iterator[Sign]:
    if any(state.delay_ms or state.jitter_ms for state in own):
        yield from _late(all_)
    yield from _lossy(own, patience(all_))
    yield from _altered(own, patience(all_))
    for state in own:
        if state.mtu:
            yield _black_hole(state.mtu)
            break
    slowest = min((state.rate_kbit for state in own if state.rate_kbit), default=None)
    if slowest:
        narrow = next(state for state in own if state.rate_kbit == slowest)
        # A packet in fragments arrives only if each of them does.
        fragile = any(_loss_of(state) or state.corrupt or state.mtu for state in all_)
        yield _narrow(narrow, _way(all_), frames=1 if fragile else 10)


def _way(states: list[DirectionState]) -> float:
    """Seconds that a ping and its answer take at least, jitter apart."""
    return sum(state.delay_ms for state in states) / 1000


def patience(states: list[DirectionState]) -> float:
    """Seconds to wait for the answer to a ping."""
    jitter = sum(state.jitter_ms for state in states) / 1000
    return 1.0 + _way(states) + LATEST * jitter


def _late(states: list[DirectionState]) -> Iterator[Sign]:
    delay = _way(states)
    jitter = sum(state.jitter_ms for state in states) / 1000
    skips = any(state.reorder for state in states)
    sooner = sum(state.jitter_ms * SOONEST[state.distribution] for state in states) / 1000
    least = max(0.0, delay - sooner)
    if least and not skips:
        yield Sign(
            f"each answer takes {least * 1000:.0f} ms or more",
            Question(wait=patience(states)),
            lambda burst, grown: not burst.all_lost and burst.fastest >= least,
            usual=lambda burst: burst.fastest >= least,
        )
    elif not skips:
        yield Sign(
            f"answers take times that are {jitter * 500:.0f} ms apart",
            Question(20, 0.05, wait=patience(states)),
            lambda burst, grown: burst.slowest - burst.fastest >= jitter / 2,
            usual=lambda burst: burst.slowest - burst.fastest >= jitter / 2,
        )
    if skips:
        chance = max(state.reorder for state in states)
        yield Sign(
            f"some answers take {delay * 1000:.0f} ms or more, and some have overtaken",
            _many(chance, patience(states)),
            lambda burst, grown: burst.slowest >= delay > burst.fastest > 0,
            usual=lambda burst: burst.fastest >= delay,
        )


def _lossy(states: list[DirectionState], wait: float) -> Iterator[Sign]:
    chance = max(_loss_of(state) for state in states) if states else 0.0
    if chance:
        yield Sign(
            "the fabric has lost frames",
            _many(chance, wait),
            lambda burst, grown: grown.dropped(Reason.LOSS) > 0,
        )


def _loss_of(state: Impairment) -> float:
    """The part of frames that is lost in the long run."""
    return state.burst_loss.loss if state.burst_loss else state.loss


def _altered(states: list[DirectionState], wait: float) -> Iterator[Sign]:
    duplicated = max((state.duplicate for state in states), default=0.0)
    if duplicated:
        yield Sign(
            "frames come twice",
            _many(duplicated, wait),
            lambda burst, grown: burst.duplicates > 0 and grown.copies > 0,
        )
    corrupted = max((state.corrupt for state in states), default=0.0)
    if corrupted:
        # A flipped bit fails a checksum, so that the ping or its answer goes astray.
        yield Sign(
            "pings are lost to a wrong checksum",
            _many(corrupted, wait),
            lambda burst, grown: grown.corrupted > 0 and not burst.none_lost,
        )


def _black_hole(mtu: int) -> Sign:
    return Sign(
        f"a packet longer than {mtu} bytes vanishes",
        Question(packet=min(1500, mtu + 100)),
        lambda burst, grown: burst.all_lost and grown.dropped(Reason.MTU) > 0,
        usual=lambda burst: burst.all_lost,
    )


PROBE_BYTES, PROBES = 1400, 30
"""What is sent at once to see a line's rate."""


def _probe_bytes(state: Impairment) -> int:
    return min(PROBE_BYTES, state.mtu or PROBE_BYTES)


def held_bits(state: Impairment) -> int:
    """What waits of that for a line of limited rate."""
    return max(0, PROBES * _probe_bytes(state) - state.burst_bytes) * 8


def _narrow(state: DirectionState, way: float, frames: int) -> Sign:
    """Enough frames at once for the bucket to run empty: the last one waits its turn.

    An emulated node may send a packet no faster than a slow line takes it in, but the `frames` of
    one packet come together.
    """
    packet, count = _probe_bytes(state) * frames, PROBES // frames
    assert state.rate_kbit is not None
    late = way + held_bits(state) / (state.rate_kbit * 1000) / 2
    return Sign(
        f"of {count} packets of {packet} bytes at once, one takes {late * 1000:.0f} ms or more",
        Question(count, packet=packet, wait=1.0 + 2 * late, at_once=True),
        lambda burst, grown: burst.slowest >= late or grown.dropped(Reason.OVERFLOW) > 0,
        usual=lambda burst: burst.slowest >= late,
    )


def _many(chance: float, wait: float) -> Question:
    """So many pings that some are surely befallen by what comes with this chance."""
    count = max(10, min(MOST_PINGS, math.ceil(PER_EVENT / chance)))
    return Question(count, QUICK, wait=wait)
