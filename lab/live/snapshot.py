"""The state of a running lab at one moment, as frozen data.

Each part is polled separately, so that one that does not answer does not affect the others. Times
are ns since 1970, by the host's clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from edge_lab.faults.board import AnnouncedPlan
from edge_lab.handle.status import DeviceStatus, LinkStatus, NodeStatus, PodStatus

T = TypeVar("T")


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True)


class Part(_Model, Generic[T]):
    """One part of the lab: the last answer, and whether it is current."""

    value: T | None = None
    """The last answer; None if there was none yet."""
    seen: int | None = None
    """When it was received."""
    unknown_since: int | None = None
    """Since when the state is unknown: the time of the first query that had no answer, an error, or
    a timeout. None while the last answer is current."""
    trouble: str = ""
    """Why there is no answer."""

    @property
    def is_known(self) -> bool:
        return self.seen is not None and self.unknown_since is None


class Stage(StrEnum):
    UP = "up"
    STARTING = "starting"
    """Starting; available parts are shown. `message` is the current step."""
    NOT_UP = "not-up"
    """Not started, being saved or restored, or absent: `message` says which."""


class Condition(_Model):
    stage: Stage
    since: int
    message: str = ""
    remedy: str = ""


class TwinName(_Model):
    """A twin of a device, and its node."""

    node: str
    twin: str


class PointValue(_Model):
    """The value of one point of a device, from its ground truth."""

    name: str
    unit: str
    value: str


class DeviceSeen(_Model):
    status: DeviceStatus
    values: tuple[PointValue, ...] = ()
    """The values of its newest step; empty for a device with unknown points, such as a
    container."""
    step_at: int | None = None
    """When that step began."""
    twins: tuple[TwinName, ...] = ()


class TwinValue(_Model):
    """The twin's value of one point of a device."""

    value: str
    taken: int
    """When the mapper read it, by the node's clock; 0 if unknown."""


Twins = Mapping[str, Mapping[str, TwinValue]]
"""By twin and property."""


class SampleRow(_Model):
    """The samples of one device on one node."""

    node: str
    device: str
    sampled: int
    waiting: int
    """Samples on the node's disk that the collector has not confirmed."""
    arrived: int | None
    """Distinct samples at the collector; None if it does not answer."""
    lost: int | None
    """Samples that are neither on the node nor at the collector, as a lower bound."""
    repeated: int | None
    connected: bool
    """Whether the sampler reaches the device."""


class FaultSeen(_Model):
    """A fault of the journal, from its request to its recovery."""

    id: int
    title: str
    family: str
    parts: tuple[str, ...]
    """The links, nodes and devices that it affects, by name; none if it is the whole lab."""
    began: int
    seen: int | None
    proof: str
    heal_began: int | None
    healed: int | None
    cure: str
    command: str
    """The command that heals it; empty when it is healed."""


class ActionState(StrEnum):
    RUNNING = "running"
    SEEN = "seen"
    """The effect, or the recovery, was seen."""
    FAILED = "failed"


class Action(_Model):
    """An action from the page."""

    id: int
    command: str
    """The equivalent command line."""
    began: int
    ended: int | None = None
    state: ActionState = ActionState.RUNNING
    text: str = ""
    """The proof, or what went wrong."""
    remedy: str = ""


class LabSnapshot(_Model):
    lab: str
    now: int
    generation: int = 0
    """Counts the labs of that name that were found: when it changes, the page redraws the lab."""
    condition: Condition
    stack: str = ""
    addons: tuple[str, ...] = ()
    restored: bool = False
    read_only: bool = True
    nodes: Part[tuple[NodeStatus, ...]] = Part()
    links: Part[tuple[LinkStatus, ...]] = Part()
    pods: Part[tuple[PodStatus, ...]] = Part()
    devices: Mapping[str, Part[DeviceSeen]] = {}
    """By name: each is polled separately."""
    twins: Part[Twins] = Part()
    samples: Mapping[str, Part[tuple[SampleRow, ...]]] = {}
    """By node."""
    faults: Part[tuple[FaultSeen, ...]] = Part()
    plan: Part[AnnouncedPlan | None] = Part()
    """The running plan, if any."""
    actions: tuple[Action, ...] = ()

    @property
    def parts(self) -> tuple[Part[Any], ...]:
        """All parts; twins may be unknown because there are none."""
        fixed = (self.nodes, self.links, self.pods, self.faults, self.plan)
        return (*fixed, *self.devices.values(), *self.samples.values())
