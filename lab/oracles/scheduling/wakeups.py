"""How late a node's kernel wakes a thread, as cyclictest(8) has counted it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edge_lab.core.errors import LabError
from edge_lab.measuring.measures import Better, Measure, identifier

SHOWN = (("p50", 50.0), ("p99", 99.0), ("p99.9", 99.9))


@dataclass(frozen=True)
class Wakeups:
    """Wake-ups of all CPUs of a node, by whole microseconds that each came late."""

    counts: Mapping[int, int]
    """By microseconds; what was later than the histogram is long is not in it."""
    beyond: int
    """Later than that."""
    most_us: int
    cpus: int

    @property
    def total(self) -> int:
        return sum(self.counts.values()) + self.beyond

    def percentile(self, percent: float) -> int:
        """us, by the nearest rank; the longest of all where that is beyond the histogram."""
        rank = max(1, -(-int(percent * self.total * 1000) // 100_000))
        for late, count in sorted(self.counts.items()):
            rank -= count
            if rank <= 0:
                return late
        return self.most_us

    def later_than(self, microseconds: int) -> int:
        """Wake-ups that came later than so."""
        return self.beyond + sum(n for late, n in self.counts.items() if late > microseconds)


def parse_cyclictest(text: str, cpus: int) -> Wakeups:
    """The file that `cyclictest --json --histogram=…` writes, on a node of so many CPUs.

    Raises:
        LabError: it is no such file, or a CPU has no wake-ups.
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
        raise LabError(f"cyclictest has not written what it should: {trouble}") from trouble
    if seen != cpus:
        raise LabError(f"no evidence: cyclictest has woken on {seen} of {cpus} CPUs")
    inside = sum(counts.values())
    if inside > cycles:
        raise LabError(f"cyclictest counts {inside} wake-ups of {cycles}")
    counts = {late: count for late, count in counts.items() if count}
    return Wakeups(counts, cycles - inside, most, cpus)


def together(windows: Sequence[Wakeups]) -> Wakeups:
    """Several windows of one condition as one."""
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
    """Percentiles and the longest, us."""
    heading = f"wake-up latency, {condition}"
    values = [(label, found.percentile(percent)) for label, percent in SHOWN]
    return tuple(
        Measure(
            name=identifier(f"{heading} {label}"),
            value=value,
            unit="us",
            better=Better.LOWER,
            node=node,
            heading=heading,
            label=label,
            evidence=f"{evidence}, {found.total} wake-ups on {found.cpus} CPUs",
        )
        for label, value in (*values, ("max", found.most_us))
    )
