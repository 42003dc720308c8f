"""What a lock file demands of a component's file."""

from __future__ import annotations

from dataclasses import dataclass

from edge_lab.artifacts.checksums import Digest


@dataclass(frozen=True)
class Pin:
    """The digest of a component, and where it is pinned."""

    digest: Digest
    by: str
    """For people: the lock file, with the line where that helps."""
