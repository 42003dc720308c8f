"""Wake-up latency of a node's kernel, from the histogram of cyclictest(8)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edge_lab.core.errors import LabError
from edge_lab.measuring.measures import Measure

SHOWN = (("p50", 50.0), ("p99", 99.0), ("p99.9", 99.9))


@dataclass(frozen=True)
class Wakeups:
    """Wake-ups of all CPUs of a node, by latency in whole microseconds."""

    counts: Mapping[int, int]
    """Counts by microseconds, without those beyond the histogram."""
    beyond: int
    """The number of wake-ups beyond the histogram."""
    most_us: int
    cpus: int

    @property
    def total(self) -> int:
        return sum(self.counts.values()) + self.beyond

    def percentile(self, percent: float) -> int:
        """us, by the nearest rank; the maximum if that is beyond the histogram."""
        rank = max(1, -(-int(percent * self.total * 1000) // 100_000))
        for late, count in sorted(self.counts.items()):
            rank -= count
            if rank <= 0:
                return late
        return self.most_us

    def later_than(self, microseconds: int) -> int:
        """The number of wake-ups with a higher latency."""
        return self.beyond + sum(n for late, n in self.counts.items() if late > microseconds)


def parse_cyclictest(text: str, cpus: int) -> Wakeups:
    """Parses the output of `cyclictest --json --histogram=…` on a node with so many CPUs.

    Raises:
        LabError: it is not such a file, or a CPU has no wake-ups.
    """
    try:
        threads = list(json.loads(text)["thread"].values())
        counts: dict[int, int] = {}
        cycles = 0
        for thread in threads:
            cycles += int(thread["cycles"])
            for late, count in thread["histogram"].items():
                counts[int(late)] = counts.get(int(late), 0) + int(count)
        most = max(int(thread["max"]) for thread in threads)
        seen = sum(1 for thread in threads if int(thread["cycles"]) > 0)
    except (ValueError, KeyError, TypeError, AttributeError) as trouble:
        raise LabError(f"invalid output of cyclictest: {trouble}") from trouble
    if seen != cpus:
        raise LabError(f"no evidence: cyclictest ran on {seen} of {cpus} CPUs")
    inside = sum(counts.values())
    if inside > cycles:
        raise LabError(f"cyclictest counts {inside} wake-ups of {cycles}")
    counts = {late: count for late, count in counts.items() if count}
    return Wakeups(counts, cycles - inside, most, cpus)


def together(windows: Sequence[Wakeups]) -> Wakeups:
    """Merges several windows of one condition."""
    counts: dict[int, int] = {}
    for window in windows:
        for late, count in window.counts.items():
            counts[late] = counts.get(late, 0) + count
    return Wakeups(
        counts,
        sum(window.beyond for window in windows),
        max(window.most_us for window in windows),
        windows[0].cpus,
    )


def measures_of(found: Wakeups, condition: str, node: str, evidence: str) -> tuple[Measure, ...]:
    """Percentiles and maximum as measures, us."""
    heading = f"wake-up latency, {condition}"
    values = [(label, found.percentile(percent)) for label, percent in SHOWN]
    return tuple(
        Measure.of(
            heading,
            value,
            "us",
            node,
            label=label,
            evidence=f"{evidence}, {found.total} wake-ups on {found.cpus} CPUs",
        )
        for label, value in (*values, ("max", found.most_us))
    )
