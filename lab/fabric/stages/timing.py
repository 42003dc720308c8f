"""Stages that set the due times of frames."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from statistics import NormalDist

from edge_lab.fabric.counters import Reason
from edge_lab.fabric.framebuffer import join, slots
from edge_lab.fabric.impairment import Distribution
from edge_lab.fabric.randomstream import RandomStream
from edge_lab.fabric.snapshots import Memory
from edge_lab.fabric.stages.chances import Chosen
from edge_lab.fabric.stages.flight import TICK_NS, Flight, Tally

NS_PER_MS = 1_000_000
_NS_KBIT = 8_000_000
"""Nanoseconds that a byte takes at 1 kbit/s."""


class Rate:
    """A token bucket that limits the rate, and a queue for the frames that wait.

    Its state is the time at which the bucket would be full again: each frame moves that time
    by its transmission time, and is due when at most one bucket is owed.  So a frame may be
    longer than the bucket.
    """

    name = "rate"

    def __init__(self, kbit: float, burst: int, queue: int, full_at: int) -> None:
        """`kbit` per second; `burst` bytes; `queue` frames; full again at `full_at` (ns)."""
        self._ns_per_byte = _NS_KBIT / kbit
        self._bucket = math.floor(burst * self._ns_per_byte)
        self._room = queue
        self._full_at = full_at
        self._waiting: deque[int] = deque()
        """Due times of the queued frames."""
        self._tick = 0
        """Due time of the last one: later frames must not overtake it."""

    def memory(self, now: int) -> int:
        """Nanoseconds until the bucket is full, without the frames that still wait for it."""
        return min(max(self._full_at - now, 0), self._bucket)

    def apply(self, flights: list[Flight], tally: Tally) -> list[Flight]:
        going: list[Flight] = []
        for flight in flights:
            lengths = flight.buffer.lengths
            waiting = self._waiting
            while waiting and waiting[0] <= flight.due:
                waiting.popleft()
            dropped = 0
            for slot in slots(flight.runs):
                if len(waiting) >= self._room:
                    dropped += 1
                else:
                    self._line_up(flight, slot, lengths[slot], going)
            tally.drop(Reason.OVERFLOW, dropped)
        return going

    def take_over(self, flight: Flight) -> list[Flight]:
        """New due times of frames that were in transit, however many are queued."""
        going: list[Flight] = []
        for slot in slots(flight.runs):
            self._line_up(flight, slot, flight.buffer.lengths[slot], going)
        return going

    def _line_up(self, flight: Flight, slot: int, length: int, going: list[Flight]) -> None:
        due = max(self._goes(flight.due, length), self._tick)
        if due > flight.due:
            self._waiting.append(due)
            self._tick = -(-due // TICK_NS) * TICK_NS
        run = (slot, slot + 1)
        if going and going[-1].due == due and going[-1].buffer is flight.buffer:
            join(going[-1].runs, [run])
        else:
            going.append(Flight(due, flight.buffer, [run]))

    def _goes(self, now: int, length: int) -> int:
        """When a frame that arrives `now` has been transmitted."""
        owed = max(self._full_at, now) + math.ceil(length * self._ns_per_byte)
        self._full_at = owed
        return max(now, owed - self._bucket)


class Delay:
    """Adds a fixed delay to each frame."""

    name = "delay"

    def __init__(self, milliseconds: float) -> None:
        self._ns = math.ceil(milliseconds * NS_PER_MS)

    @property
    def longest(self) -> int:
        """The maximum delay, nanoseconds."""
        return self._ns

    def memory(self, now: int) -> Memory | None:
        return None

    def apply(self, flights: list[Flight], tally: Tally) -> list[Flight]:
        return [Flight(flight.due + self._ns, flight.buffer, flight.runs) for flight in flights]


class Jitter:
    """Adds a random delay about a mean to each frame; never negative."""

    name = "jitter"

    def __init__(
        self, mean: float, jitter: float, distribution: Distribution, stream: RandomStream
    ) -> None:
        """`mean` and `jitter` in milliseconds."""
        self._mean = mean * NS_PER_MS
        self._jitter = jitter * NS_PER_MS
        self._spread = SPREADS[distribution]
        self._stream = stream

    @property
    def longest(self) -> int:
        """The maximum delay, nanoseconds."""
        most = 1.0 if self._spread is _uniform else _MOST
        return math.ceil(self._mean + self._jitter * most)

    def memory(self, now: int) -> Memory | None:
        return None

    def apply(self, flights: list[Flight], tally: Tally) -> list[Flight]:
        return [
            Flight(flight.due + self._draw(), flight.buffer, [(slot, slot + 1)])
            for flight in flights
            for slot in slots(flight.runs)
        ]

    def _draw(self) -> int:
        return max(0, math.ceil(self._mean + self._jitter * self._spread(self._stream.random())))


class Reorder(Chosen):
    """Selected frames skip the delay and so overtake those in transit."""

    name = "reorder"

    def __init__(
        self, probability: float, stream: RandomStream, gap: int | None, way: Delay | Jitter
    ) -> None:
        super().__init__(probability, stream, gap)
        self._way = way

    @property
    def longest(self) -> int:
        """The maximum delay, nanoseconds."""
        return self._way.longest

    def apply(self, flights: list[Flight], tally: Tally) -> list[Flight]:
        going = []
        for flight in flights:
            for run, chosen in self.parted(flight.runs):
                part = [Flight(flight.due, flight.buffer, [run])]
                going += part if chosen else self._way.apply(part, tally)
        return going


# -- how jitter is spread, in units of it: from a number in [0, 1) -----------------------------

_MOST = 4.0
"""The cutoff of netem's tables."""
_LEAST_CHANCE = 2.0**-54


def _uniform(chance: float) -> float:
    return 2 * chance - 1


def _normal(chance: float) -> float:
    far: float = _STANDARD.inv_cdf(max(chance, _LEAST_CHANCE))
    return min(max(far, -_MOST), _MOST)


def _pareto(chance: float) -> float:
    # As iproute2's netem/pareto.c makes its table: shape 3, so the mean is 1.5.
    far: float = ((1 - chance) ** (-1 / 3) - 1.5) * 4 / 3
    return min(far, _MOST)


_STANDARD = NormalDist()
SPREADS: dict[Distribution, Callable[[float], float]] = {
    "uniform": _uniform,
    "normal": _normal,
    "pareto": _pareto,
}
