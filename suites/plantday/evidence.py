"""The evidence of a day.

Times are seconds since 1970, unless a name ends in `_ns`; the lab's clocks are set from the host's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edge_lab.addons.metrics.records import NANOSECONDS
from edge_lab.addons.witness import Run
from edge_lab.evidence.memory import NodeMemorySeen, NodeMoment
from edge_lab.faults.records import FaultRecord
from edge_lab.oracles.models.evidence import Evidence as ModelEvidence
from edge_lab.oracles.spans import Span
from suites.functions.evidence import Evidence as FunctionEvidence
from suites.metrics.evidence import Evidence as MetricEvidence


@dataclass(frozen=True)
class Done:
    """Something that people did."""

    time: float
    action: str
    what: str
    """The revision or the version."""
    tries: int = 1


@dataclass(frozen=True)
class Made:
    """A revision of the repository."""

    name: str
    pushed: float | None
    """When the Git server accepted it; None for that of before the day, or if it never did."""
    bad: bool = False


@dataclass(frozen=True)
class Wish:
    """A version that people wanted to serve."""

    tag: str
    time: float
    bad: bool = False


@dataclass(frozen=True)
class FleetEvidence:
    """What one node ran of the repository."""

    node: str
    runtime: str
    parts: tuple[str, ...]
    made: tuple[Made, ...]
    """In the order of pushes, beginning with that of before the day."""
    began: float
    observed_at: float
    """When the node was observed for the last time."""
    runs: tuple[Run, ...]
    boots: tuple[tuple[float, float], ...] = ()
    """From when to when the plan had it booting."""


@dataclass(frozen=True)
class ServedEvidence:
    """What one node served, and what the cloud says of it in the end."""

    node: str
    runtime: str
    wishes: tuple[Wish, ...]
    serving: str
    """Tag, from the node's server."""
    claimed: str
    """Tag that the cloud says."""
    phase: str
    """Of the node, as the cloud says."""
    rollout: str
    """Phase of the rollout, as the cloud says."""
    judges: bool
    """Whether it is the first node, which has to refuse what is bad."""
    asks: bool
    """Whether it has a device, for whose steps there are requests."""
    day: ModelEvidence
    """Of the whole day."""


@dataclass(frozen=True)
class TwinEvidence:
    """What a twin reports in the end."""

    twin: str
    node: str
    runtime: str
    reported: int | None
    """Number of the device's step; None if it reports none."""
    observed_at: float
    steps: Mapping[int, float]
    """By number, when the device showed it: its ground truth."""
    collect_s: float


@dataclass(frozen=True)
class RestartEvidence:
    """The memory of one node, and what was killed or restarted on it."""

    node: str
    runtime: str
    began: float
    ended: float
    readings: tuple[NodeMemorySeen, ...]
    before: NodeMoment
    """When the day began."""
    after: NodeMoment
    faults: tuple[FaultRecord, ...]
    """Those of the plan."""
    settled: NodeMoment | None = None
    """After its last boot by the plan, when the cloud was in reach again; None if it was not
    looked at then."""
    settled_at: float = 0.0
    """Not later than `settled`."""
    boots_seen: int = 0
    """How often it was seen to have booted during the day."""


@dataclass(frozen=True)
class DayEvidence:
    """All parts of a day. The samples are in the recording, which the autonomy oracle judges."""

    minutes: float
    stack: str
    began: float
    ended: float
    """The end of the day; what was on its way could arrive later."""
    done: tuple[Done, ...]
    faults: tuple[FaultRecord, ...]
    left_out: tuple[str, ...]
    """Faults of the plan that this lab or this day had no room for."""
    fleet: tuple[FleetEvidence, ...]
    functions: tuple[FunctionEvidence, ...]
    metrics: tuple[MetricEvidence, ...]
    models: tuple[ServedEvidence, ...]
    twins: tuple[TwinEvidence, ...]
    memory: tuple[RestartEvidence, ...]


# -- what the faults mean for a node ---------------------------------------------------------------


def span_of(record: FaultRecord, ended_ns: int) -> Span:
    """From the request of a fault to its recovery."""
    return Span(record.began, record.healed if record.healed is not None else ended_ns)


def stops_of(faults: tuple[FaultRecord, ...], node: str, ended_ns: int) -> tuple[Span, ...]:
    """When the node was stopped, or on its way up again."""
    return tuple(
        span_of(record, ended_ns)
        for record in faults
        if any(stop.node == node for stop in record.fault.stops)
    )


def boots_of(faults: tuple[FaultRecord, ...], node: str, ended_ns: int) -> tuple[Span, ...]:
    """When the node lost its power, or was reset, and booted."""
    return tuple(span_of(record, ended_ns) for record in resets_of(faults, node))


def resets_of(faults: tuple[FaultRecord, ...], node: str) -> tuple[FaultRecord, ...]:
    """Faults by which the node lost its power, or was reset."""
    return tuple(
        record
        for record in faults
        if any(stop.node == node and not stop.keeps_boot for stop in record.fault.stops)
    )


def touching(faults: tuple[FaultRecord, ...], names: frozenset[str], ended_ns: int) -> list[Span]:
    """When a fault affected one of these links or devices."""
    return [
        span_of(record, ended_ns)
        for record in faults
        if names & (record.fault.scope.links | record.fault.scope.devices)
    ]


def seconds_of(span: Span) -> tuple[float, float]:
    return span.start / NANOSECONDS, span.end / NANOSECONDS
