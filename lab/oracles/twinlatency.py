"""The latency of a value from the device to the cluster.

From the time at which the device shows a step, by its ground truth, to the time at which a watch
on the API server sees the step's sequence number reported.  Device and watch run on the same
host and use the same clock; the guests' clocks are irrelevant.

Steps that a collect cycle skips are not counted: the figure is that of the reported steps, and
includes the wait for the mapper's next read.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from edge_lab.devices.points import SEQUENCE
from edge_lab.devices.truth import TruthStep
from edge_lab.measuring.measures import COUNT, Better, Measure
from edge_lab.measuring.percentile import percentile
from edge_lab.oracles.spans import NANOSECONDS
from edge_lab.oracles.twins import TwinSighting


@dataclass(frozen=True)
class Latency:
    """Of `count` reported steps; s. NaN if there is none."""

    count: int
    p50: float
    p90: float
    p99: float
    longest: float

    @classmethod
    def of(cls, seconds: Iterable[float]) -> Latency:
        values = sorted(seconds)
        p50, p90, p99, longest = (percentile(values, percent) for percent in (50, 90, 99, 100))
        return cls(len(values), p50, p90, p99, longest)

    def measures(self, title: str, *, node: str, evidence: str = "") -> tuple[Measure, ...]:
        """Of one twin, all under one title."""
        shares = {"p50": self.p50, "p90": self.p90, "p99": self.p99, "at most": self.longest}

        def measure(label: str, value: float | None, unit: str) -> Measure:
            return Measure.of(
                title,
                value,
                unit,
                node,
                label=label,
                reason="no step was seen",
                evidence=evidence,
                better=Better.LOWER if unit == "s" else Better.NEITHER,
            )

        known = {label: value if self.count else None for label, value in shares.items()}
        spread = tuple(measure(label, value, "s") for label, value in known.items())
        return (*spread, measure("steps", self.count, COUNT))


def twin_latencies(
    sightings: Iterable[TwinSighting], truth: Iterable[TruthStep]
) -> tuple[float, ...]:
    """Seconds for each step whose sequence number was seen reported, the first time that it was.

    The first sighting does not count: it may be of a step that was reported before the watch.
    """
    shown = {step.seq: step.time for step in truth}
    found: dict[int, float] = {}
    first: int | None = None
    for sighting in sightings:
        text = sighting.status.value(SEQUENCE)
        if text is None or not text.isdecimal():
            continue
        number = int(text)
        if first is None:
            first = number
        if number != first and number in shown and number not in found:
            found[number] = (sighting.time - shown[number]) / NANOSECONDS
    return tuple(found.values())
