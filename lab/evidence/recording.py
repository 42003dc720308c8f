"""What was seen of a lab over a span of time, as plain data: oracles and pictures read it.

All times are ns since 1970 on the host's clock, at the moment when the host learnt of it.
Observations are changes, not samples at a fixed pace: a value holds until the next one.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from edge_lab.evidence.samples import SampleObservation
from edge_lab.faults.records import FaultRecord


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class NodeSeen(_Model):
    """The API server's view of a node's condition Ready."""

    time: int
    node: str
    ready: str
    """True, False, Unknown, or Absent (no such node object)."""


class PodSeen(_Model):
    """The API server's view of a pod."""

    time: int
    node: str
    namespace: str
    name: str
    uid: str
    phase: str
    ready: bool
    restarts: int
    deleting: bool = False
    gone: bool = False
    """The object was removed."""


class ContainerSeen(_Model):
    """The node's own view of one pod's containers, as its container runtime has them."""

    time: int
    node: str
    namespace: str
    pod: str
    uid: str
    """Of the pod."""
    running: tuple[str, ...]
    """Ids of the containers (no sandboxes) that run now, sorted."""


class NodeAnswered(_Model):
    """Whether a node answered over the management path; written at each change."""

    time: int
    node: str
    answered: bool
    boot: str = ""
    """The kernel's boot id: another one is another boot."""


class WaitingSeen(_Model):
    """Samples on a node's disk that the collector has not confirmed, all devices together."""

    time: int
    node: str
    waiting: int
    sampled: int
    """The highest number given out, summed over devices."""


class ApiSeen(_Model):
    """Whether the API server answered the lab; written at each change."""

    time: int
    answered: bool


class Recording(_Model):
    """All that was seen between `began` and `ended`, each list in the order of its time."""

    began: int
    ended: int
    runtime: str
    """The stack, as control+runtime."""
    nodes: tuple[str, ...]
    """Names of the nodes that were looked at (edge nodes, and the server where it was faulted)."""
    faults: tuple[FaultRecord, ...] = ()
    node_seen: tuple[NodeSeen, ...] = ()
    pod_seen: tuple[PodSeen, ...] = ()
    container_seen: tuple[ContainerSeen, ...] = ()
    answered: tuple[NodeAnswered, ...] = ()
    waiting_seen: tuple[WaitingSeen, ...] = ()
    api_seen: tuple[ApiSeen, ...] = ()
    samples: tuple[SampleObservation, ...] = ()
    """Taken at the end, after the backlog was in or the time was up."""

    def write(self, path: Path) -> None:
        """Into the file at `path`, whose folder is made."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.model_dump_json(indent=1), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Recording:
        """ValidationError if the file holds no recording."""
        return cls.model_validate_json(path.read_bytes())
