"""The evidence of image pre-pull jobs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Sighting:
    """What the API server showed of a job."""

    after: float
    """Seconds since the job was created."""
    job: str
    """Phase of the job; empty before it has one."""
    nodes: Mapping[str, str]
    """By node, its phase in the job."""


@dataclass(frozen=True)
class PrePull:
    """A job that pulls images on nodes, one node after the other."""

    runtime: str
    """The stack, as control+runtime."""
    nodes: tuple[str, ...]
    """In the order of the job."""
    images: tuple[str, ...]
    """References of the images."""
    timeout_s: float
    """Seconds after which the job gives up a node that does not answer."""
    sightings: tuple[Sighting, ...]
    before: Mapping[str, frozenset[str]]
    after: Mapping[str, frozenset[str]]
    """By node, the job's images in its container runtime, before the job and after it."""
    silent: str = ""
    """The node whose link was cut before the job was created; empty if there is none."""

    def first(self, node: str, phase: str) -> float | None:
        """Seconds until the node was seen in the phase."""
        times = (seen.after for seen in self.sightings if seen.nodes.get(node) == phase)
        return next(times, None)

    def last(self, node: str) -> str:
        """The last phase of the node; empty if it had none."""
        return self.sightings[-1].nodes.get(node, "") if self.sightings else ""


@dataclass(frozen=True)
class Interrupted:
    """A job with a node that is away, and one of the same name after the heal."""

    during: PrePull
    again: PrePull
