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
    tasks: Mapping[str, str]
    """By node, the phase of its task."""


@dataclass(frozen=True)
class PrePull:
    """A job that pulls images on nodes, one node after the other."""

    runtime: str
    """The stack, as control+runtime."""
    label: str
    """The situation, in measures."""
    nodes: tuple[str, ...]
    """In the order of the job."""
    images: tuple[str, ...]
    """References of the images."""
    sightings: tuple[Sighting, ...]
    before: Mapping[str, frozenset[str]]
    after: Mapping[str, frozenset[str]]
    """By node, the job's images in its container runtime, before the job and after it."""
    silent: str = ""
    """The node whose link was cut before the job was created; empty if there is none."""

    def first(self, node: str, *phases: str) -> float | None:
        """Seconds until the task of the node was seen in one of the phases."""
        times = (seen.after for seen in self.sightings if seen.tasks.get(node) in phases)
        return next(times, None)

    def last(self, node: str) -> str:
        """The last phase of the node's task; empty if it had none."""
        return self.sightings[-1].tasks.get(node, "") if self.sightings else ""


@dataclass(frozen=True)
class Interrupted:
    """A job with a silent node, and one of the same name after the heal."""

    during: PrePull
    again: PrePull
