"""Evidence of a scenario on one node. Times are seconds since 1970; the lab's clocks are set from
the host's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edge_lab.addons.witness import Run


@dataclass(frozen=True)
class Rollout:
    """The rollout of one revision to a reachable node."""

    node: str
    runtime: str
    parts: tuple[str, ...]
    previous: str
    revision: str
    pushed: float
    """When the Git server accepted it."""
    fetched: float | None
    """When source-controller was seen to have it; None if never."""
    applied: float | None
    """When kustomize-controller was seen to have applied it."""
    observed_at: float
    """When the node was observed for the last time."""
    runs: tuple[Run, ...]
    """All records of the node's witness."""
    never: tuple[str, ...] = ()
    """Revisions that must not have run there."""
    expected: float | None = None
    """The beginning of the time limit: a heal, otherwise the push."""
    received: int | None = None
    """Bytes that the node received over its uplink meanwhile."""
    commits: int = 1
    """The number of commits that it had missed, including this one."""
    restarted: float | None = None
    """When a controller was started again that was killed with this revision to fetch or to apply,
    by the server's clock."""
    work_done: float | None = None
    """When the work of that controller on this revision was done, by the same clock in whole
    seconds; None if never."""


@dataclass(frozen=True)
class Offline:
    """What a node ran while it was unreachable."""

    node: str
    runtime: str
    parts: tuple[str, ...]
    revision: str
    """The revision that it ran before."""
    began: float
    ended: float
    runs: tuple[Run, ...]
    changes: int
    """Revisions that were pushed meanwhile; 0 is no evidence."""
    restarts: int = 0
    """Restarts of its containers that the scenario caused."""


@dataclass(frozen=True)
class Drift:
    """One object that was changed by hand in the cluster."""

    what: str
    runtime: str
    node: str
    revision: str
    """The revision in the repository."""
    other: str
    """The revision that replaced it."""
    made: float
    seen: Mapping[str, float]
    """By revision of the object, from the API server's answer to the change on, when it was first
    seen."""
    generations: int
    """Increase of the object's generation: by the change, and by its correction."""
    limit_s: float
    last: str
    """Its revision in the end."""
    runs: tuple[Run, ...] = ()
    ended: float = 0.0
    """When the node was observed for the last time."""
    part: str = ""
    offline: bool = False
    """Whether the node was unreachable all the time: then it must not have run the other one."""


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
    """Flux's reason and message of Ready=False; empty if there is none."""
    revisions: Mapping[str, str]
    """By object in the cluster, the revision that it had before the fix."""
    runs: tuple[Run, ...]


@dataclass(frozen=True)
class Pods:
    """The number of pods of a Deployment of one pod while its node was unreachable."""

    deployment: str
    node: str
    runtime: str
    away_s: float
    counts: tuple[int, ...]
    """One for each poll."""
    after: int
    """After the recovery."""


@dataclass(frozen=True)
class Texts:
    """Texts that might contain a secret, by origin, and the secrets by name."""

    runtime: str
    node: str
    texts: Mapping[str, str]
    secrets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The strings that identify each: lines of a key, and its base64."""
