"""The source of each artifact, without a build and without network access."""

from __future__ import annotations

from dataclasses import dataclass

from edge_lab.artifacts.builds import Builds
from edge_lab.artifacts.cache import ArtifactCache
from edge_lab.artifacts.gomodules import Toolchain
from edge_lab.artifacts.mirror import Mirror, find_in_mirror, mirror_place
from edge_lab.artifacts.model import ArtifactState, Availability, Refusal
from edge_lab.artifacts.orders import Order
from edge_lab.artifacts.release import ReleasePages
from edge_lab.artifacts.web import Web
from edge_lab.core.deadline import Deadline


@dataclass(frozen=True)
class _Source:
    """A description of where a component would come from; `sure` if that was checked."""

    words: str
    sure: bool


@dataclass(frozen=True)
class Prospects:
    """Checks the cache, a mirror that is a folder, and what is known about other sources."""

    cache: ArtifactCache
    mirror: Mirror
    builds: Builds
    toolchain: Toolchain | str
    pages: ReleasePages

    def state(self, order: Order) -> ArtifactState:
        """Where the ordered artifact is, or would come from."""
        component, arch = order.component, order.want.arch

        def row(state: Availability, source: str, remedy: str = "") -> ArtifactState:
            return ArtifactState(component.name, component.version, arch, state, source, remedy)

        cached = self.cache.look(component, arch, order.key)
        if cached:
            return row(Availability.CACHED, cached.source)
        refused: list[Refusal] = []
        mirrored = self._mirrored(order)
        if isinstance(mirrored, Refusal):
            refused.append(mirrored)
        elif mirrored.sure:
            return row(Availability.AVAILABLE, mirrored.words)
        released = self.pages.find(component, arch)
        unbuildable = self.builds.refusal(order, self.toolchain)
        otherwise = ""
        if not isinstance(released, Refusal):
            otherwise = f"release {released.url}"
            if component.recipe is not None and unbuildable is None:
                otherwise += f", if it answers; else {self.builds.source(order)}"
        elif unbuildable is None:
            otherwise = self.builds.source(order)
        else:
            refused += [released, unbuildable]
        if isinstance(mirrored, _Source):
            why_not = "; ".join(map(str, refused))
            words = f"{mirrored.words}; else {otherwise or f'not available ({why_not})'}"
            return row(Availability.AVAILABLE, words)
        if otherwise:
            return row(Availability.AVAILABLE, otherwise)
        return row(Availability.MISSING, "", "; ".join(map(str, refused)))

    def _mirrored(self, order: Order) -> _Source | Refusal:
        """What is known about the mirror without network access."""
        if isinstance(self.mirror, str):
            return _Source(f"mirror {self.mirror}, if it has it", sure=False)
        place = mirror_place(self.mirror, Web(Deadline.after(0)))  # a folder: no network access
        if isinstance(place, Refusal):
            return place
        found = find_in_mirror(place, order.component, order.want.arch, order.pin)
        if isinstance(found, Refusal):
            return found
        return _Source(f"mirror {place.where(found.offer.path)}", sure=True)
