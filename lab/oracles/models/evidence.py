"""The evidence on models, for the verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edge_lab.addons.models.records import Act, Requests
from edge_lab.addons.models.versions import ModelVersion


@dataclass(frozen=True)
class Step:
    """One step of the device in its ground truth."""

    seq: int
    time: float
    """Seconds since 1970, by the host's clock."""
    inputs: tuple[float, ...]
    """In the order of `versions.INPUTS`."""


@dataclass(frozen=True)
class Known:
    """The versions of the registry."""

    by_digest: Mapping[str, ModelVersion]

    def tag(self, digest: str) -> str:
        found = self.by_digest.get(digest)
        return found.tag if found else f"unknown {digest[:19]}"


@dataclass(frozen=True)
class Evidence:
    """What one node did, in an interval."""

    node: str
    runtime: str
    began: float
    """Seconds since 1970."""
    ended: float
    requests: Requests
    """Of the interval."""
    acts: tuple[Act, ...]
    """Of the interval."""
    steps: tuple[Step, ...]
    """Of the interval, and some before it."""
    known: Known
    reboots: tuple[tuple[float, float], ...] = ()
    """Intervals in which the node was off or booting: without answers, which is not the model's
    fault."""
    blind: tuple[tuple[float, float], ...] = ()
    """Intervals in which the node could not read its device: without requests."""


@dataclass(frozen=True)
class CutUpdate:
    """An update during which the uplink was cut."""

    evidence: Evidence
    old: str
    """Tag."""
    new: str
    size: int
    """Bytes of the new version's files."""
    at_cut: int
    """Of these, how many were on the node when the cut was seen."""
    at_heal: int
    cut: tuple[float, float]
    """From when to when the uplink was cut."""
    serving: str
    """The tag that serves at the end, from the node's server."""


@dataclass(frozen=True)
class StagedReset:
    """A node lost its power while it compared a version that was complete on it."""

    evidence: Evidence
    """With the loss of power."""
    old: str
    new: str
    first: str
    """The tag of the first answer after the boot."""
    serving: str
    """The tag that serves at the end, from the node's server."""


@dataclass(frozen=True)
class KilledAgent:
    """An update in which the node's agent was killed during the fetch, and during the
    comparison."""

    evidence: Evidence
    old: str
    """Tag."""
    new: str
    size: int
    """Bytes of the new version's files."""
    at_kill: int
    """Of these, how many were on the node just before the first kill."""
    kept: int
    """The least that was there between that kill and the complete version."""
    kills: tuple[tuple[float, float], tuple[float, float]]
    """From just before a kill until the agent ran again."""
    serving: str
    """The tag that serves at the end, from the node's server."""


@dataclass(frozen=True)
class FullDisk:
    """A fetch that goes on when the disk is full."""

    evidence: Evidence
    old: str
    new: str
    size: int
    """Bytes of the new version's files."""
    at_full: int
    """Of these, how many were on the node when its disk was full."""
    left: int
    """How many were there before there was space again."""
    full: tuple[float, float]
    """From when to when the disk was full."""
    said: str
    """The reason that the cloud said meanwhile."""
    serving: str
    """The tag that serves at the end, from the node's server."""


@dataclass(frozen=True)
class MissedUpdate:
    """Two versions were wanted while a node was offline."""

    evidence: Evidence
    old: str
    skipped: str
    """The version that was wanted first, and not any more after the heal."""
    newest: str
    offline: tuple[float, float]
    """From when to when the node was cut off."""
    serving: Mapping[str, str]
    """The tag that serves at the end, by node, from the nodes' servers."""
    phase: str
    """What the cloud says of the rollout at the end."""


@dataclass(frozen=True)
class Rollback:
    """A node returned to the version before."""

    evidence: Evidence
    new: str
    old: str
    triggered_at: float
    """When somebody on the node requested it, or when the device changed."""
    offline: tuple[float, float]
    """From when to when the node was cut off."""
    reason: str
    """That is expected."""
    serving: str
    """The tag that serves before the heal, from the node's server."""
    after_boot: str | None = None
    """The same after a loss of power while offline; None if there was none."""


@dataclass(frozen=True)
class Refusal:
    """A version that must not serve."""

    evidence: Evidence
    tag: str
    reason: str
    serving: str
    """The tag that serves at the end, from the node's server."""
    expected: str
    """The tag that has to serve."""
    phase: str
    """What the cloud says of the rollout."""
    told: tuple[str, ...] = ()
    """Other nodes that were told to serve it."""
    compared: bool = False
    """Whether live samples have to show that it is worse."""


@dataclass(frozen=True)
class Look:
    """What the cloud said of a node, and what ran there, at one moment."""

    time: float
    phase: str
    """Of the node in the status of the EdgeModel; `Unknown` claims nothing."""
    said: str
    """Digest."""
    ran: str
    """Digest, from the node's server."""


@dataclass(frozen=True)
class Reported:
    """The cloud's view of one node over time."""

    node: str
    runtime: str
    looks: tuple[Look, ...]
    changes: tuple[float, ...]
    """When the version on the node changed, from its agent's journal."""
    offline: tuple[float, float] | None
    """From when to when the node was cut off."""
    known: Known


@dataclass(frozen=True)
class Turn:
    """One node in one rollout."""

    node: str
    told: float | None
    """When it was told, by its agent's journal; None if it was not."""
    ended: float | None
    """When it promoted or refused the version, even if it was rolled back later."""
    outcome: str
    """The last act: promoted, refused, rolled-back."""
    reason: str = ""
    """Of a refusal or a rollback."""


@dataclass(frozen=True)
class Canary:
    """A rollout over several nodes."""

    runtime: str
    tag: str
    turns: tuple[Turn, ...]
    """In the order that was asked for."""
    clock_s: float
    """Uncertainty of the nodes' clocks against each other."""


@dataclass(frozen=True)
class Halt:
    """A version that the nodes of the canary region must roll back."""

    reason: str
    """That is expected."""
    changed_at: float
    """When the device changed."""


@dataclass(frozen=True)
class RegionRollout:
    """A rollout that goes from region to region; the first one is the canary region."""

    runtime: str
    tag: str
    previous: str
    samples: int
    """Live samples on which the canary region has to confirm the version."""
    region: str
    canary: tuple[Turn, ...]
    """The nodes of the canary region."""
    others: tuple[Turn, ...]
    steps: Mapping[str, tuple[float, ...]]
    """Times of the steps of the canary nodes' devices, from their ground truth, by node."""
    ended: float
    """When the last look was."""
    serving: Mapping[str, str]
    """The tag that serves at the end, by node, from the nodes' servers."""
    phase: str
    """What the cloud says of the rollout at the end."""
    clock_s: float
    """Uncertainty of the nodes' clocks against each other and the host's."""
    offline: tuple[float, float] | None = None
    """From when to when the canary region was cut off."""
    halt: Halt | None = None
    """None if the version is good."""


@dataclass(frozen=True)
class Latency:
    """Requests of one node to one server, over one kind of line."""

    node: str
    runtime: str
    where: str
    """edge or cloud."""
    line: str
    ms: tuple[float, ...]
    first_ms: float | None
    """Of the request that opened the connection."""
    tags: tuple[str, ...]
    troubles: tuple[str, ...] = ()
