"""The stages of a pod's start, from moments that were recorded on two clocks.

What a watch on the API server shows is stamped by the host when it is received, as ClusterLoader2's
PodStartupLatency does; what the node does is stamped by the node's own programs, and put on the
host's clock by bounds that were measured. A stage is the time between two moments in a row, and
says how far it may be off.
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
"""What a moment of the host may be late, s: from an event's arrival until the thread that watches
has stamped it."""
CLOCK_SET = 2 * HOST_ERROR
"""From this difference on between the host's wall clock and its monotonic one, over the start of
one pod, the former was set meanwhile, s. Both are slewed alike."""
NODE_ERROR = 0.001
"""The same of a program on the node that stamps its own line of the journal, s."""


class Moment(StrEnum):
    """What is stamped of a pod's start, in the order in which it must happen."""

    CREATED = "created"
    """The watch shows the pod, not bound to a node."""
    SCHEDULED = "scheduled"
    """The watch shows it bound to a node."""
    NODE_SAW = "seen by the node"
    """The node's agent works on it: it mounts its volumes."""
    SANDBOX_READY = "sandbox ready"
    """The container runtime has made its sandbox, with its network."""
    IMAGE_READY = "image ready"
    """The image is present, and the container's file system has been made of it."""
    STARTED = "container started"
    RUNNING = "Running seen"
    """The watch shows the phase Running."""
    READY = "Ready seen"


NODE_MOMENTS = frozenset(
    {Moment.NODE_SAW, Moment.SANDBOX_READY, Moment.IMAGE_READY, Moment.STARTED}
)
"""Stamped by the node's clock; the others by the host's."""


class Stage(StrEnum):
    """The time from one moment to the next; who is at work then."""

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
    """What was recorded of one pod."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    pod: str
    node: str
    arch: str
    runtime: str
    """The OCI runtime, or the RuntimeClass that names it."""
    condition: str = "idle"
    """What the lab was like."""
    asked: int
    """When the host began to ask the API server to create it, ns since 1970."""
    moments: Mapping[Moment, int]
    """ns since 1970, each on the clock of who stamped it."""
    clock: ClockBounds
    """Of the node, over the time of the start."""
    startup_s: float | None = None
    """From created to Running on the host's monotonic clock, s."""
    history: PodHistory
    """What has happened to it until the series was over."""
    accelerator: str = ""
    load: float | None = None
    """The host's load average over a minute when the pod was created."""


@dataclass(frozen=True)
class StageTime:
    """How long one stage took, s."""

    stage: Stage
    seconds: float
    """Below 0 if the end was seen before the begin: by so much less than `error`, or of `deliver`,
    whose ends do not depend on each other."""
    error: float
    """What `seconds` may be off."""

    @property
    def measured(self) -> bool:
        """Whether it is longer than its error; else there is no figure of it."""
        return self.seconds > self.error

    @property
    def end_first(self) -> bool:
        """Whether the end was seen before the begin for sure."""
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
    """The stages of a pod whose every moment was seen.

    Raises:
        LabError: a moment was not seen, which is no evidence and never a zero; or two of them
            are in the wrong order by more than the clocks may be off; or the host's clock was
            set meanwhile.
    """
    missing = [moment for moment in Moment if moment not in start.moments]
    if missing:
        raise LabError(
            f"no evidence: of {start.pod} on {start.node} it was not seen when it was: "
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
    # Node and watch learn of the scheduler's decision each by itself, and on a busy host the node
    # may be the first: what it cannot be before is the request.
    since = (_on_host(start, end) - start.asked) / NANOSECONDS
    _must_not_be_early(start, end, "the request for it", since, error)
    return StageTime(stage, seconds, error)


def _clock_must_not_be_set(start: PodStart) -> None:
    """LabError if the host's two clocks do not agree on how long the start took."""
    if start.startup_s is None:
        raise LabError(f"no evidence: the start of {start.pod} was timed by one clock of the host")
    off = _between(start, Moment.CREATED, Moment.RUNNING) - start.startup_s
    if abs(off) > CLOCK_SET:
        raise LabError(
            f"the host's clock was set by {off:+.3f} s while {start.pod} started on {start.node}"
        )


def _must_not_be_early(
    start: PodStart, end: Moment, cause: str, seconds: float, error: float
) -> None:
    """LabError if a moment comes before its cause by more than the clocks may be off."""
    if seconds < -error:
        raise LabError(
            f"{start.pod} on {start.node}: {end!s} comes {-seconds:.3f} s before {cause}, and "
            f"the clocks are off by {error:.3f} s at most"
        )


def _between(start: PodStart, begin: Moment, end: Moment) -> float:
    """On the host's clock, s; negative if the end comes first."""
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
