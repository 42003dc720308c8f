"""Evidence of a scenario on one node. Times are seconds since 1970; the lab's clocks are set from
the host's."""

from __future__ import annotations

from dataclasses import dataclass

from edge_lab.addons.witness import Run


@dataclass(frozen=True)
class Placement:
    """The pool of a node, and what it runs."""

    node: str
    runtime: str
    pool: str
    """According to the topology."""
    members: frozenset[str]
    """The nodes in the status of the pool."""
    region: str
    """Label of the node; empty if it has none."""
    configuration: str
    """What its pool is to run."""
    changed: float
    """When this configuration was requested."""
    observed_at: float
    """When the node was observed."""
    runs: tuple[Run, ...]


@dataclass(frozen=True)
class Traffic:
    """The endpoints of a Service that a node is given."""

    node: str
    runtime: str
    service: str
    pool: str
    own: frozenset[str]
    """Addresses of the pods in its pool that are Ready."""
    foreign: frozenset[str]
    """Those of pods in other pools."""
    given: frozenset[str]


@dataclass(frozen=True)
class Away:
    """What a node ran while it was cut off, alone or with its whole pool."""

    node: str
    runtime: str
    configuration: str
    """What it ran before."""
    began: float
    ended: float
    changed: float
    """When its pool was given another configuration."""
    noticed: bool
    """Whether the cloud had marked it as lost meanwhile."""
    runs: tuple[Run, ...]
    reset: float | None = None
    """When it lost its power meanwhile, if it did."""


@dataclass(frozen=True)
class Change:
    """The change of a configuration on one node, which may have been cut off."""

    node: str
    runtime: str
    previous: str
    configuration: str
    since: float
    """The beginning of the time limit: the change, or the heal of a node that was cut off."""
    observed_at: float
    """When the node was observed for the last time."""
    runs: tuple[Run, ...]
    what: str = "change"
    """The beginning, in words: `change` or `heal`."""
    refused: int | None = None
    """Pods for this node that its kubelet refused; None if they were not counted."""


@dataclass(frozen=True)
class Neighbour:
    """What a node ran when only the configuration of another pool changed."""

    node: str
    runtime: str
    configuration: str
    changed: float
    """When the other one was requested."""
    observed_at: float
    reached: bool
    """Whether the other pool's nodes run it."""
    runs: tuple[Run, ...]
