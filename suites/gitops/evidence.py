"""What is kept of a scenario on one node, for the judges. Times are seconds since 1970; the lab's
clocks are set by the host's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edge_lab.addons.gitops.witness import Run


@dataclass(frozen=True)
class Rollout:
    """One revision on its way to a node that is to get it now."""

    node: str
    runtime: str
    parts: tuple[str, ...]
    previous: str
    revision: str
    pushed: float
    """When the Git server had taken it."""
    fetched: float | None
    """When source-controller said that it has it, as it was seen; None if it never did."""
    applied: float | None
    """When kustomize-controller said that it is applied, as it was seen."""
    asked: float
    """When the node was looked at for the last time."""
    runs: tuple[Run, ...]
    """All that the node's witness has seen."""
    never: tuple[str, ...] = ()
    """Revisions that must not have run there."""
    expected: float | None = None
    """Since when it is to come: since a heal, if not since the push."""
    received: int | None = None
    """Bytes that the node received meanwhile by its uplink."""
    commits: int = 1
    """How many of them it had missed, with this one."""


@dataclass(frozen=True)
class Offline:
    """What a node ran while it was out of reach."""

    node: str
    runtime: str
    parts: tuple[str, ...]
    revision: str
    """That it ran before."""
    began: float
    ended: float
    runs: tuple[Run, ...]
    changes: int
    """Revisions that were pushed meanwhile; 0 is no evidence."""
    restarts: int = 0
    """Of its containers, that were made by hand."""


@dataclass(frozen=True)
class Drift:
    """One object that somebody has changed by hand in the cluster."""

    what: str
    runtime: str
    node: str
    revision: str
    """That the repository says."""
    other: str
    """That was put in its place."""
    made: float
    seen: Mapping[str, float]
    """By revision that the object had afterwards, when it was seen first."""
    generations: int
    """By how many the object's generation has grown: by the change, and by what put it right."""
    limit_s: float
    last: str
    """What it had in the end."""
    runs: tuple[Run, ...] = ()
    ended: float = 0.0
    """When the node was looked at for the last time."""
    part: str = ""
    offline: bool = False
    """Whether the node was out of reach for all of it: then it must not have run the other."""


@dataclass(frozen=True)
class BadCommit:
    """A commit that cannot work, and what a node ran until the next one was pushed."""

    node: str
    runtime: str
    fault: str
    parts: tuple[str, ...]
    good: str
    """The revision before."""
    bad: str
    pushed: float
    fixed: float
    """When the next was pushed."""
    said: str
    """What Flux said of it: the reason and the message of Ready=False; empty if it said nothing."""
    revisions: Mapping[str, str]
    """By object in the cluster, the revision that it had before the fix."""
    runs: tuple[Run, ...]


@dataclass(frozen=True)
class Pods:
    """How many pods there were of a Deployment of one pod, while its node was away."""

    deployment: str
    node: str
    runtime: str
    away_s: float
    counts: tuple[int, ...]
    """One for each look."""
    after: int
    """After the heal, when all had settled."""


@dataclass(frozen=True)
class Texts:
    """What may have a secret in it, by where it is from, and the secrets by name."""

    runtime: str
    node: str
    texts: Mapping[str, str]
    secrets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Each as the strings by which it would be known: lines of a key, and its base64."""
