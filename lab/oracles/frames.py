"""What hostile frames of one node did to the fabric and to another node of the same network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, ValidationError

from edge_lab.core.errors import LabError
from edge_lab.fabric.counters import Counters, LinkCounters

LEAST_STEPS = 10
"""Minimum steps of the device in a window."""


class FrameProblem(StrEnum):
    RESTARTED = "the fabric was restarted"
    COUNTERS = "counters of the fabric do not add up"
    LOST = "samples of another node were lost"


class SentFrames(BaseModel):
    """The report of the program that sends hostile frames."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sent: int
    """Frames that the node's kernel has taken."""
    refused: Mapping[str, int]
    """Frames that the node's kernel has refused, by the name of the error number."""
    seconds: float
    """By the node's clock."""


def parse_sent_frames(text: str) -> SentFrames:
    """Parses the program's output; LabError if it is invalid."""
    try:
        return SentFrames.model_validate_json(text)
    except ValidationError as trouble:
        raise LabError(f"the sender of frames reported {text[:200]!r}") from trouble


@dataclass(frozen=True)
class FabricView:
    """The fabric at one moment."""

    pid: int
    links: Mapping[str, LinkCounters]


@dataclass(frozen=True)
class SamplerView:
    """A device's ground truth and another node's sampler of it, at one moment."""

    step: int
    """Number of the device's last step."""
    sampled: int
    read_errors: int


@dataclass(frozen=True)
class Exposure:
    """What was seen before and after frames were sent by one link."""

    link: str
    """The sender's."""
    fabric: tuple[FabricView, FabricView]
    sampler: tuple[SamplerView, SamplerView]
    sent: SentFrames

    def __post_init__(self) -> None:
        if self.received <= 0:
            raise LabError(
                f"no evidence: the node sent {self.sent.sent} frames, and the fabric received none "
                f"by {self.link}"
            )
        if self.steps < LEAST_STEPS:
            raise LabError(f"no evidence: the device made {self.steps} steps meanwhile")

    @property
    def received(self) -> int:
        """Frames of the sender that the fabric received."""
        before, after = (view.links[self.link].tx.frames for view in self.fabric)
        return after - before

    @property
    def steps(self) -> int:
        """Of the device."""
        before, after = self.sampler
        return after.step - before.step

    @property
    def read_errors(self) -> int:
        before, after = self.sampler
        return after.read_errors - before.read_errors

    @property
    def sampled_percent(self) -> float:
        """The share of the device's steps that the other node has sampled."""
        before, after = self.sampler
        return 100 * (after.sampled - before.sampled) / self.steps

    @property
    def samples_lost(self) -> int:
        """Steps that were not sampled. The step under way at either end is not counted."""
        before, after = self.sampler
        return max(0, self.steps - (after.sampled - before.sampled) - 1)

    def problems(self, *, may_lose: bool = False) -> frozenset[FrameProblem]:
        """What must not happen. With `may_lose`, lost samples are none: they are measured."""
        found = set()
        before, after = self.fabric
        if before.pid != after.pid:
            found.add(FrameProblem.RESTARTED)
        if not all(
            _add_up(direction) for link in after.links.values() for direction in (link.tx, link.rx)
        ):
            found.add(FrameProblem.COUNTERS)
        if self.samples_lost and not may_lose:
            found.add(FrameProblem.LOST)
        return frozenset(found)


def _add_up(counters: Counters) -> bool:
    arrived = counters.frames + counters.copies
    return arrived == counters.forwarded + counters.in_flight + counters.lost
