"""Symptoms of a fault of a link: what to probe over the link, and which result to expect.

A fault is proved when all of its symptoms have been seen. Each symptom also reports whether the
link without the fault would have shown it too: then it proves nothing, and is reported as such.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from edge_lab.fabric.counters import Reason
from edge_lab.fabric.impairment import Impairment
from edge_lab.fabric.state import DirectionState
from edge_lab.faults.counters import CounterDelta
from edge_lab.faults.probe import Burst, Question

PLAIN = Question(interval=0.1)

MOST_PINGS = 400
PER_EVENT = 1.5
"""Pings of a burst, as a multiple of how many it takes on average until one is affected. Bursts
are repeated until one is."""

QUICK = 0.01
"""Seconds between the pings of a burst that looks for a rare event."""

SOONEST = {"uniform": 1.0, "normal": 4.0, "pareto": 2 / 3}
"""The largest shortening of a delay, as a multiple of the jitter, by distribution."""

LATEST = 4.0
"""The largest extension of a delay, as a multiple of the jitter, for any distribution."""


@dataclass(frozen=True)
class Symptom:
    """One observable effect."""

    what: str
    question: Question
    seen: Callable[[Burst, CounterDelta], bool]
    usual: Callable[[Burst], bool] | None = None
    """Whether the link without the fault shows it as well, by this earlier burst; None if it
    cannot."""


def symptoms_of(own: list[DirectionState], other: list[DirectionState]) -> tuple[Symptom, ...]:
    """The symptoms of the impairments `own` of a fault; a ping crosses what is `other` as well."""
    return tuple(_symptoms_of(own, [*own, *other]))


def _symptoms_of(own: list[DirectionState], all_: list[DirectionState]) -> Iterator[Symptom]:
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
        yield _narrow(narrow, _round_trip(all_), frames=1 if fragile else 10)


def _round_trip(states: list[DirectionState]) -> float:
    """Minimum seconds for a ping and its answer, without jitter."""
    return sum(state.delay_ms for state in states) / 1000


def patience(states: list[DirectionState]) -> float:
    """Seconds to wait for the answer to a ping."""
    jitter = sum(state.jitter_ms for state in states) / 1000
    return 1.0 + _round_trip(states) + LATEST * jitter


def _late(states: list[DirectionState]) -> Iterator[Symptom]:
    delay = _round_trip(states)
    jitter = sum(state.jitter_ms for state in states) / 1000
    skips = any(state.reorder for state in states)
    sooner = sum(state.jitter_ms * SOONEST[state.distribution] for state in states) / 1000
    least = max(0.0, delay - sooner)
    if least and not skips:
        yield Symptom(
            f"each answer takes {least * 1000:.0f} ms or more",
            Question(wait=patience(states)),
            lambda burst, counted: not burst.all_lost and burst.fastest >= least,
            usual=lambda burst: burst.fastest >= least,
        )
    elif not skips:
        yield Symptom(
            f"answers take times that are {jitter * 500:.0f} ms apart",
            Question(20, 0.05, wait=patience(states)),
            lambda burst, counted: burst.slowest - burst.fastest >= jitter / 2,
            usual=lambda burst: burst.slowest - burst.fastest >= jitter / 2,
        )
    if skips:
        chance = max(state.reorder for state in states)
        yield Symptom(
            f"some answers take {delay * 1000:.0f} ms or more, and some have overtaken",
            _many(chance, patience(states)),
            lambda burst, counted: burst.slowest >= delay > burst.fastest > 0,
            usual=lambda burst: burst.fastest >= delay,
        )


def _lossy(states: list[DirectionState], wait: float) -> Iterator[Symptom]:
    chance = max(_loss_of(state) for state in states) if states else 0.0
    if chance:
        yield Symptom(
            "the fabric has lost frames",
            _many(chance, wait),
            lambda burst, counted: counted.dropped(Reason.LOSS) > 0,
        )


def _loss_of(state: Impairment) -> float:
    """The fraction of frames that is lost in the long run."""
    return state.burst_loss.loss if state.burst_loss else state.loss


def _altered(states: list[DirectionState], wait: float) -> Iterator[Symptom]:
    duplicated = max((state.duplicate for state in states), default=0.0)
    if duplicated:
        yield Symptom(
            "frames are duplicated",
            _many(duplicated, wait),
            lambda burst, counted: burst.duplicates > 0 and counted.copies > 0,
        )
    corrupted = max((state.corrupt for state in states), default=0.0)
    if corrupted:
        # A flipped bit fails a checksum, so that the ping or its answer is discarded.
        yield Symptom(
            "pings are lost to a wrong checksum",
            _many(corrupted, wait),
            lambda burst, counted: counted.corrupted > 0 and not burst.none_lost,
        )


def _black_hole(mtu: int) -> Symptom:
    return Symptom(
        f"a packet longer than {mtu} bytes is dropped",
        Question(packet=min(1500, mtu + 100)),
        lambda burst, counted: burst.all_lost and counted.dropped(Reason.MTU) > 0,
        usual=lambda burst: burst.all_lost,
    )


PROBE_BYTES, PROBES = 1400, 30
"""The burst that is sent to measure a rate limit."""


def _probe_bytes(state: Impairment) -> int:
    return min(PROBE_BYTES, state.mtu or PROBE_BYTES)


def held_bits(state: Impairment) -> int:
    """The part of that burst that has to wait for the rate limit."""
    return max(0, PROBES * _probe_bytes(state) - state.burst_bytes) * 8


def _narrow(state: DirectionState, round_trip: float, frames: int) -> Symptom:
    """Enough frames at once for the bucket to run empty: the last one waits its turn.

    An emulated node may send a packet no faster than a slow line takes it in, but the `frames` of
    one packet come together.
    """
    packet, count = _probe_bytes(state) * frames, PROBES // frames
    assert state.rate_kbit is not None
    late = round_trip + held_bits(state) / (state.rate_kbit * 1000) / 2
    return Symptom(
        f"of {count} packets of {packet} bytes at once, one takes {late * 1000:.0f} ms or more",
        Question(count, packet=packet, wait=1.0 + 2 * late, at_once=True),
        lambda burst, counted: burst.slowest >= late or counted.dropped(Reason.OVERFLOW) > 0,
        usual=lambda burst: burst.slowest >= late,
    )


def _many(chance: float, wait: float) -> Question:
    """The number of pings of which some are almost surely affected at this probability."""
    count = max(10, min(MOST_PINGS, math.ceil(PER_EVENT / chance)))
    return Question(count, QUICK, wait=wait)
