"""The stages of a pod's start, from moments recorded by two clocks.

The host timestamps the events of a watch on the API server on receipt, as ClusterLoader2's
PodStartupLatency does; the node's own programs timestamp what the node does, which is converted to
the host's clock with measured bounds. A stage is the time between two consecutive moments, with
its maximum error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from types import MappingProxyType

from pydantic import BaseModel, ConfigDict

from edge_lab.core.errors import LabError
from edge_lab.oracles.scheduling.clock import ClockBounds
from edge_lab.oracles.scheduling.history import PodHistory
from edge_lab.oracles.spans import NANOSECONDS

HOST_ERROR = 0.01
"""How late a moment of the host may be, s: from the arrival of an event until the watching thread
timestamps it."""
CLOCK_SET = 2 * HOST_ERROR
"""If the host's wall clock and monotonic clock differ by more than this over the start of one pod,
the former was set meanwhile, s. Both are slewed alike."""
NODE_ERROR = 0.001
"""The same for a program on the node that timestamps its own line of the journal, s."""


class Moment(StrEnum):
    """The moments of a pod's start, in the order in which they must happen."""

    CREATED = "created"
    """The watch shows the pod, not bound to a node."""
    SCHEDULED = "scheduled"
    """The watch shows it bound to a node."""
    NODE_SAW = "seen by the node"
    """The node's agent has started to work on it: it mounts its volumes."""
    SANDBOX_READY = "sandbox ready"
    """The container runtime has created its sandbox, with its network."""
    IMAGE_READY = "image ready"
    """The image is present, and the container's file system has been created from it."""
    STARTED = "container started"
    RUNNING = "Running seen"
    """The watch shows the phase Running."""
    READY = "Ready seen"


NODE_MOMENTS = frozenset(
    {Moment.NODE_SAW, Moment.SANDBOX_READY, Moment.IMAGE_READY, Moment.STARTED}
)
"""Moments by the node's clock; the others are by the host's."""


class Stage(StrEnum):
    """The time from one moment to the next, and the components that it depends on."""

    SCHEDULE = "schedule"
    """The scheduler, and the watch that shows its decision."""
    DELIVER = "deliver"
    """The API server and the node's agent, over the node's uplink."""
    SANDBOX = "sandbox"
    IMAGE = "image"
    START = "start"
    REPORT = "report"
    """The node's agent sees the container run, and reports; the watch shows it."""
    READY = "ready"


STAGES: Mapping[Stage, tuple[Moment, Moment]] = MappingProxyType(
    dict(zip(Stage, pairwise(Moment), strict=True))
)
STARTUP = tuple(stage for stage in Stage if stage is not Stage.READY)
"""Their sum is the start of a pod as ClusterLoader2's `pod_startup`: from created to Running."""


class PodStart(BaseModel):
    """The record of one pod's start."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    pod: str
    node: str
    arch: str
    runtime: str
    """The OCI runtime, or the RuntimeClass that names it."""
    condition: str = "idle"
    """The condition of the lab."""
    asked: int
    """When the host sent the create request, ns since 1970."""
    moments: Mapping[Moment, int]
    """ns since 1970, each by the clock of the host or node that recorded it."""
    clock: ClockBounds
    """The bounds of the node's clock during the start."""
    startup_s: float | None = None
    """From created to Running by the host's monotonic clock, s."""
    history: PodHistory
    """Its history until the end of the series."""
    accelerator: str = ""
    load: float | None = None
    """The host's one-minute load average when the pod was created."""


@dataclass(frozen=True)
class StageTime:
    """The duration of one stage, s."""

    stage: Stage
    seconds: float
    """Negative if the end was seen before the beginning: by less than `error`, or in `deliver`,
    whose ends are independent of each other."""
    error: float
    """The maximum error of `seconds`."""

    @property
    def measured(self) -> bool:
        """Whether it is longer than its error; otherwise it has no figure."""
        return self.seconds > self.error

    @property
    def end_first(self) -> bool:
        """Whether the end was certainly seen before the beginning."""
        return self.seconds < -self.error

    def __str__(self) -> str:
        if self.measured:
            return f"{self.seconds:.3f} s"
        if self.end_first:
            return f"none: the node was {-self.seconds:.3f} s before the watch"
        return f"below the clock error ({self.error * 1000:.0f} ms)"


@dataclass(frozen=True)
class StartTimes:
    """The stages of one pod."""

    start: PodStart
    stages: Mapping[Stage, StageTime]

    @property
    def startup(self) -> float:
        """From created to Running, by the host's clock, s."""
        return _between(self.start, Moment.CREATED, Moment.RUNNING)

    @property
    def schedule_to_watch(self) -> float:
        """ClusterLoader2's transition of that name, s; its schedule_to_run is the same."""
        return self.startup - self.stages[Stage.SCHEDULE].seconds


def stages_of(start: PodStart) -> StartTimes:
    """The stages of a pod of which every moment was seen.

    Raises:
        LabError: a moment was not seen, which is missing evidence and never a zero; or two are
            in the wrong order by more than the error of the clocks; or the host's clock was set
            meanwhile.
    """
    missing = [moment for moment in Moment if moment not in start.moments]
    if missing:
        raise LabError(
            f"no evidence: moments of {start.pod} on {start.node} were not seen: "
            + ", ".join(missing)
        )
    _clock_must_not_be_set(start)
    return StartTimes(start, {stage: _stage_time(start, stage) for stage in Stage})


def _stage_time(start: PodStart, stage: Stage) -> StageTime:
    begin, end = STAGES[stage]
    seconds, error = _between(start, begin, end), _error(start, begin, end)
    if end is not Moment.NODE_SAW:
        _must_not_be_early(start, end, str(begin), seconds, error)
        return StageTime(stage, seconds, error)
    # Node and watch learn of the scheduler's decision independently, and on a busy host the node
    # may be first. It cannot precede the request.
    since = (_on_host(start, end) - start.asked) / NANOSECONDS
    _must_not_be_early(start, end, "the request for it", since, error)
    return StageTime(stage, seconds, error)


def _clock_must_not_be_set(start: PodStart) -> None:
    """LabError if the host's two clocks do not agree on the duration of the start."""
    if start.startup_s is None:
        raise LabError(f"no evidence: the start of {start.pod} was timed by one host clock only")
    off = _between(start, Moment.CREATED, Moment.RUNNING) - start.startup_s
    if abs(off) > CLOCK_SET:
        raise LabError(
            f"the host's clock was set by {off:+.3f} s while {start.pod} started on {start.node}"
        )


def _must_not_be_early(
    start: PodStart, end: Moment, cause: str, seconds: float, error: float
) -> None:
    """LabError if a moment precedes its cause by more than the error of the clocks."""
    if seconds < -error:
        raise LabError(
            f"{start.pod} on {start.node}: {end!s} comes {-seconds:.3f} s before {cause}, and "
            f"the clocks are off by {error:.3f} s at most"
        )


def _between(start: PodStart, begin: Moment, end: Moment) -> float:
    """By the host's clock, s; negative if the end comes first."""
    return (_on_host(start, end) - _on_host(start, begin)) / NANOSECONDS


def _on_host(start: PodStart, moment: Moment) -> int:
    stamp = start.moments[moment]
    return start.clock.to_host(stamp) if moment in NODE_MOMENTS else stamp


def _error(start: PodStart, begin: Moment, end: Moment) -> float:
    """Between two moments of one clock its offset does not matter."""
    on_node = {moment in NODE_MOMENTS for moment in (begin, end)}
    if on_node == {True}:
        return NODE_ERROR
    if on_node == {False}:
        return HOST_ERROR
    return start.clock.error + HOST_ERROR + NODE_ERROR
