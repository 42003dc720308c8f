"""The digest that a lock file requires of a component."""

from __future__ import annotations

from dataclasses import dataclass

from edge_lab.artifacts.checksums import Digest


@dataclass(frozen=True)
class Pin:
    """The digest of a component, and where it is pinned."""

    digest: Digest
    by: str
    """For messages: the lock file, with the line if known."""
