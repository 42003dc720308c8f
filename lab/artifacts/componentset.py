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
    """The components, their lock file, and the folder of their Go modules."""

    name: str
    """The entry point's."""
    components: tuple[Component, ...]
    lock: Path
    """The lock file; see `lock_command`."""
    sources: Path
    """The folder with a subfolder for each Go module, with its go.mod and go.sum."""

    @property
    def by_name(self) -> Mapping[str, Component]:
        return {component.name: component for component in self.components}

    @property
    def firmware(self) -> Path:
        """The folder with a subfolder for each firmware, beside that of Go modules."""
        return self.sources.parent / "firmware"

    @property
    def is_own(self) -> bool:
        """Whether it is edge-lab's own, whose files are named in messages by repository path."""
        return self.name == OWN

    @property
    def lock_command(self) -> str:
        """The command that writes the lock file."""
        return "lab doctor --lock" if self.is_own else f"lab doctor --lock --of {self.name}"

    @property
    def lock_shown(self) -> str:
        """The name of the lock file in messages and records."""
        return f"images/{LOCK_NAME}" if self.is_own else str(self.lock)

    def module(self, component: Component) -> GoModule | None:
        """The Go module that the component is built from, if any."""
        recipe = component.recipe
        if recipe is None:
            return None
        within = "images/go" if self.is_own else str(self.sources)
        return GoModule(recipe.module, self.sources / recipe.module, within)
