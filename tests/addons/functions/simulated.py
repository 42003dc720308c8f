"""A node with functions, and the cloud, without processes, by a clock of their own, for tests of
the suite's scenarios."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from edge_lab.addons.functions.records import NANOSECONDS, Activation, Event, Handled, Records
from edge_lab.addons.functions.ways import OWN_WAYS, Way
from edge_lab.oracles.scheduling.clock import ClockBounds
from suites.functions.evidence import Step
from suites.functions.side import Memory

START = 1_700_000_000 * NANOSECONDS
CYCLE, OVER = 20, 10
"""Of so many steps of a second each, the last ones are over the limit."""
BOOT_SECONDS = 25
"""Reading begins while a value is over the limit: the next crossing must be seen."""
NODE = "edge-arm"


@dataclass
class SimulatedSide:
    """Those parts of suites.functions.side.Side that scenarios with copies need."""

    misses: int = 0
    """Crossings that the source does not notice after a boot."""
    notes: bool = True
    """Whether the source notes when it reads its device."""
    again_seconds: int | None = None
    """An event is copied to the cloud again after so many seconds; never if None."""
    nodes: tuple[str, ...] = (NODE,)
    ways: tuple[Way, ...] = OWN_WAYS
    _second: int = 0
    _off: list[tuple[int, int]] = field(default_factory=list)
    _reads: list[int] = field(default_factory=lambda: [START])

    def runtime(self, node: str) -> str:
        return "simulated"

    def now(self) -> int:
        return START + self._second * NANOSECONDS

    def steps(self, node: str) -> tuple[Step, ...]:
        return tuple(
            Step(seq, START + seq * NANOSECONDS, 710 if seq % CYCLE >= OVER else 690)
            for seq in range(self._second + 1)
        )

    def events(self, node: str) -> tuple[Event, ...]:
        seqs = [
            seq
            for seq in range(OVER, self._second, CYCLE)
            # It must have seen a value below the limit, and then one above.
            if not any(
                begin <= seq < end or (begin <= seq - OVER and seq <= end)
                for begin, end in self._off
            )
        ]
        for _, end in self._off:
            later = [seq for seq in seqs if seq >= end]
            seqs = [seq for seq in seqs if seq not in later[: self.misses]]
        return tuple(self._event(number, seq) for number, seq in enumerate(seqs))

    def _event(self, number: int, seq: int) -> Event:
        way = self.ways[number % len(self.ways)].name
        time = START + seq * NANOSECONDS
        return Event(f"e{seq}", way, "boiler", "temperature", seq, 710, time, time)

    def first_reads(self, node: str) -> tuple[int, ...]:
        return tuple(self._reads)

    def records(self, node: str) -> Records:
        handled = (
            Handled(each.id, each.way, each.seq, each.value, each.read, each.read, 1, 7, START)
            for each in self.events(node)
        )
        return Records(tuple(handled))

    def activations(self, node: str) -> tuple[Activation, ...]:
        return ()

    def running(self, node: str) -> frozenset[str]:
        return frozenset({"warm"})

    def copies(self) -> tuple[str, ...]:
        events = self.events(NODE)
        again = self.again_seconds
        late = [each for each in events if again is not None and self._second >= each.seq + again]
        return tuple(each.id for each in (*events, *late))

    def clock(self, node: str) -> ClockBounds:
        return ClockBounds(0, 0)

    def memory(self, node: str) -> Memory:
        return Memory(500.0, 0)

    def until(self, what: str, probe: Callable[[], Any], seconds: float) -> Any:
        assert self.seen(probe, seconds), what

    def seen(self, probe: Callable[[], Any], seconds: float) -> bool:
        end = self._second + seconds
        while not probe():
            if self._second >= end:
                return False
            self._second += 1
        return True

    @contextlib.contextmanager
    def offline(self) -> Iterator[None]:
        yield

    def reset(self) -> None:
        self._off.append((self._second, self._second + BOOT_SECONDS))
        self._second += BOOT_SECONDS
        if self.notes:
            self._reads.append(self.now())
