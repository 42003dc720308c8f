"""What is shown of a running lab at one moment, as frozen data.

Each part is asked for by itself, so that one that does not answer leaves the others as they are.
Moments are ns since 1970, by the host's clock.
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
    """What is known of one part of the lab: the last answer, and whether it still counts."""

    value: T | None = None
    """The last answer; None if there was none yet."""
    seen: int | None = None
    """When it came."""
    unknown_since: int | None = None
    """Since when nothing is known: when the first question was asked that has got no answer, or
    an error, or not in time. None while the last answer counts."""
    trouble: str = ""
    """Why there is no answer."""

    @property
    def is_known(self) -> bool:
        return self.seen is not None and self.unknown_since is None


class Stage(StrEnum):
    UP = "up"
    STARTING = "starting"
    """Coming up, and as far as it is, it can be looked at: `message` says what it is at."""
    NOT_UP = "not-up"
    """Not begun, being saved or restored, or not there at all: `message` says which."""


class Condition(_Model):
    stage: Stage
    since: int
    message: str = ""
    remedy: str = ""


class TwinName(_Model):
    """A twin that a device has, and the node that keeps it."""

    node: str
    twin: str


class PointValue(_Model):
    """What a device shows of one point, from its ground truth."""

    name: str
    unit: str
    value: str


class DeviceSeen(_Model):
    status: DeviceStatus
    values: tuple[PointValue, ...] = ()
    """Of its newest step; none for a device whose points are not known, as a container's."""
    step_at: int | None = None
    """When that step began."""
    twins: tuple[TwinName, ...] = ()


class TwinValue(_Model):
    """What the cluster has of one point of a device."""

    value: str
    taken: int
    """When the mapper read it, by the node's clock; 0 if that is not said."""


Twins = Mapping[str, Mapping[str, TwinValue]]
"""By twin and property."""


class SampleRow(_Model):
    """How far the samples of one device are on one node."""

    node: str
    device: str
    sampled: int
    waiting: int
    """On the node's disk, and not confirmed by the collector."""
    arrived: int | None
    """Different samples that the collector has; None if it cannot be asked."""
    lost: int | None
    """Samples that are neither on the node nor at the collector: at least so many."""
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
    """That heals it; empty when it is healed."""


class ActionState(StrEnum):
    RUNNING = "running"
    SEEN = "seen"
    """The effect, or the recovery, was seen."""
    FAILED = "failed"


class Action(_Model):
    """Something that was done from here."""

    id: int
    command: str
    """The command line that does the same."""
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
    """Counts the labs of that name that were found: whoever drew one draws the next anew."""
    condition: Condition
    stack: str = ""
    addons: tuple[str, ...] = ()
    restored: bool = False
    read_only: bool = True
    nodes: Part[tuple[NodeStatus, ...]] = Part()
    links: Part[tuple[LinkStatus, ...]] = Part()
    pods: Part[tuple[PodStatus, ...]] = Part()
    devices: Mapping[str, Part[DeviceSeen]] = {}
    """By name: each is asked by itself."""
    twins: Part[Twins] = Part()
    samples: Mapping[str, Part[tuple[SampleRow, ...]]] = {}
    """By node."""
    faults: Part[tuple[FaultSeen, ...]] = Part()
    plan: Part[AnnouncedPlan | None] = Part()
    """The plan that runs, if one does."""
    actions: tuple[Action, ...] = ()

    @property
    def parts(self) -> tuple[Part[Any], ...]:
        """All of them; twins may be unknown because there are none."""
        fixed = (self.nodes, self.links, self.pods, self.faults, self.plan)
        return (*fixed, *self.devices.values(), *self.samples.values())
