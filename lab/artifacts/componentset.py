"""Components of one owner: edge-lab itself, or another distribution."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edge_lab.artifacts.gomodules import GoModule
from edge_lab.artifacts.model import Component

OWN = "edge-lab"
"""The name of edge-lab's own set."""
LOCK_NAME = "artifacts.lock"


@dataclass(frozen=True)
class ComponentSet:
    """What the components are, where they are pinned, and where their Go modules lie."""

    name: str
    """The entry point's."""
    components: tuple[Component, ...]
    lock: Path
    """The lock file; see `lock_command`."""
    sources: Path
    """The folder with a folder for each Go module, in which go.mod and go.sum lie."""

    @property
    def by_name(self) -> Mapping[str, Component]:
        return {component.name: component for component in self.components}

    @property
    def is_own(self) -> bool:
        """Whether it is edge-lab's, whose files messages call by their place in its repository."""
        return self.name == OWN

    @property
    def lock_command(self) -> str:
        """What writes the lock file."""
        return "lab doctor --lock" if self.is_own else f"lab doctor --lock --of {self.name}"

    @property
    def lock_shown(self) -> str:
        """What messages and records call the lock file."""
        return f"images/{LOCK_NAME}" if self.is_own else str(self.lock)

    def module(self, component: Component) -> GoModule | None:
        """The Go module that the component is had by, if it is."""
        recipe = component.recipe
        if recipe is None:
            return None
        within = "images/go" if self.is_own else str(self.sources)
        return GoModule(recipe.module, self.sources / recipe.module, within)
