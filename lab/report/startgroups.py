"""Groups of pod starts for the report, by node, runtime and condition."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from edge_lab.measuring.measures import number_text
from edge_lab.oracles.scheduling.stages import Stage, StartTimes
from edge_lab.oracles.scheduling.statistics import Ratio, Summary
from edge_lab.oracles.scheduling.verdict import startups, summaries

COLOURS: Mapping[Stage, str] = {
    Stage.SCHEDULE: "#6b46c1",
    Stage.DELIVER: "#2b6cb0",
    Stage.SANDBOX: "#dd6b20",
    Stage.IMAGE: "#d69e2e",
    Stage.START: "#2f855a",
    Stage.REPORT: "#c05299",
    Stage.READY: "#718096",
}

LINES = ("#2b6cb0", "#dd6b20", "#2f855a", "#c53030", "#6b46c1", "#0f766e", "#975a16", "#4a5568")
"""Colours of the groups, repeated."""

WHAT: Mapping[Stage, str] = {
    Stage.SCHEDULE: "scheduler binds the pod",
    Stage.DELIVER: "node learns of the pod",
    Stage.SANDBOX: "sandbox and network",
    Stage.IMAGE: "file system of the image",
    Stage.START: "container starts",
    Stage.REPORT: "Running is reported",
    Stage.READY: "Ready after Running",
}


@dataclass(frozen=True)
class NamedRatio:
    """The ratio of pod starts in one condition to those in another, on one node."""

    node: str
    condition: str
    base: str
    ratio: Ratio


@dataclass(frozen=True)
class StartGroup:
    """Pods of the same node, runtime and condition."""

    node: str
    arch: str
    runtime: str
    condition: str
    times: tuple[StartTimes, ...]

    @property
    def name(self) -> str:
        return f"{self.node} · {self.runtime} · {self.condition}"

    @cached_property
    def startup(self) -> Summary:
        return startups(self.times)

    @cached_property
    def stages(self) -> Mapping[Stage, Summary]:
        return summaries(self.times)

    @property
    def host(self) -> str:
        """Accelerator and load, without which absolute figures mean little."""
        accelerators = {start_times.start.accelerator or "?" for start_times in self.times}
        loads = [
            start_times.start.load
            for start_times in self.times
            if start_times.start.load is not None
        ]
        said = ", ".join(sorted(accelerators))
        if not loads:
            return f"{said}, load not known"
        ends = dict.fromkeys(map(number_text, (min(loads), max(loads))))
        return f"{said}, load {'–'.join(ends)}"


def grouped(times: Iterable[StartTimes]) -> tuple[StartGroup, ...]:
    """Groups in order of appearance."""
    found: dict[tuple[str, str, str, str], list[StartTimes]] = {}
    for start_times in times:
        start = start_times.start
        place = (start.node, start.arch, start.runtime, start.condition)
        found.setdefault(place, []).append(start_times)
    return tuple(StartGroup(*place, tuple(alike)) for place, alike in found.items())


def slowest(stages: Mapping[Stage, Summary]) -> Stage:
    """The stage with the longest median."""
    return max(stages, key=lambda stage: stages[stage].p50)


def shown(value: float, sample: Summary) -> str:
    """A time of the sample for tables; an upper bound if it is below the clock error."""
    if sample.below_error(value):
        return f"< {sample.error * 1000:.0f} ms"
    return f"{value:.2f}" if value < 10 else f"{value:.1f}"


def round_steps(most: float, count: int = 12) -> Sequence[float]:
    """About `count` round values from 0 up, the last of them at least `most`."""
    paces = (part * 10**power for power in range(-3, 9) for part in (1, 2, 5))
    pace = next(pace for pace in paces if most / pace <= count)
    return [pace * number for number in range(int(most / pace) + 2)]
