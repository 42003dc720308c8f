"""Artifacts: each component of the stack as a local file with a digest."""

from lab.artifacts.catalog import CATALOG, find_component
from lab.artifacts.model import (
    Artifact,
    ArtifactState,
    Availability,
    CannotObtain,
    Component,
    GoFiles,
    GoSource,
    Refusal,
    ReleaseSource,
    Want,
    host_arch,
)
from lab.artifacts.store import ArtifactStore

__all__ = [
    "CATALOG",
    "Artifact",
    "ArtifactState",
    "ArtifactStore",
    "Availability",
    "CannotObtain",
    "Component",
    "GoFiles",
    "GoSource",
    "Refusal",
    "ReleaseSource",
    "Want",
    "find_component",
    "host_arch",
]
