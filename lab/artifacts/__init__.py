"""Artifacts: each component of the stack as a local file with a digest."""

from edge_lab.artifacts.catalog import CATALOG
from edge_lab.artifacts.componentset import ComponentSet
from edge_lab.artifacts.model import (
    Artifact,
    ArtifactState,
    Availability,
    CannotBuild,
    CannotObtain,
    Component,
    GoFiles,
    GoSource,
    Refusal,
    ReleaseSource,
    Want,
    host_arch,
)
from edge_lab.artifacts.store import ArtifactStore

__all__ = [
    "CATALOG",
    "Artifact",
    "ArtifactState",
    "ArtifactStore",
    "Availability",
    "CannotBuild",
    "CannotObtain",
    "Component",
    "ComponentSet",
    "GoFiles",
    "GoSource",
    "Refusal",
    "ReleaseSource",
    "Want",
    "host_arch",
]
