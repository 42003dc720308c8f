"""The available components: edge-lab's own, and those of other distributions.

Another distribution provides a set of components by an entry point of the group
`edge_lab.components`, whose name is the set's and whose object returns a `ComponentSet` when
called. These sets are loaded only when a component is requested that edge-lab does not have.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from edge_lab.artifacts.catalog import CATALOG
from edge_lab.artifacts.componentset import LOCK_NAME, OWN, ComponentSet
from edge_lab.artifacts.lock import line_in_lock
from edge_lab.artifacts.model import Component
from edge_lab.core.errors import InputError
from edge_lab.core.plugins import PluginGroup
from edge_lab.core.yamlmodel import did_you_mean
from edge_lab.data import IMAGES

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
"""A name or a version, which is part of the path of a file in the cache."""


@dataclass(frozen=True)
class Owned:
    """A component and the set that it is in."""

    component: Component
    owner: ComponentSet


class Components:
    """The components that can be requested."""

    def __init__(
        self, own: ComponentSet, others: Callable[[], Iterable[ComponentSet]] = tuple
    ) -> None:
        """`others` returns the sets of other distributions."""
        self._own = own
        self._others = others

    @functools.cached_property
    def _all(self) -> Mapping[str, Owned]:
        return merged((self._own, *self._others()))

    def find(self, name: str) -> Owned:
        """The component of that name.

        Raises:
            InputError: there is none, or the sets of other distributions cannot be used.
        """
        if name in self._own.by_name:
            return Owned(self._own.by_name[name], self._own)
        known = self._all
        if name in known:
            return known[name]
        raise InputError(
            f"no component is called {name!r}",
            remedy=f"{did_you_mean(name, known)}Known: {', '.join(known)}.",
        )

    def set_named(self, name: str) -> ComponentSet:
        """The set of that name; InputError if there is none."""
        return self._own if name == self._own.name else PLUGINS.find(name)


def merged(sets: Iterable[ComponentSet]) -> Mapping[str, Owned]:
    """All components of `sets`, by name.

    Raises:
        InputError: a name or a version cannot be used, or two components have one name.
    """
    found: dict[str, Owned] = {}
    for owner in sets:
        for component in owner.components:
            _check_path(owner, component)
            other = found.setdefault(component.name, Owned(component, owner))
            if other.component is not component:
                raise InputError(
                    f"{PLUGINS.origin(owner.name)} and {PLUGINS.origin(other.owner.name)} both "
                    f"provide a component {component.name!r}; the other's is pinned at "
                    f"{other.owner.lock_shown}:{_line(other.owner, component)}",
                    file=owner.lock,
                    line=_line(owner, component),
                    remedy="Uninstall one of them until its authors have chosen another name.",
                )
    return found


def _check_path(owner: ComponentSet, component: Component) -> None:
    for what, text in (("name", component.name), ("version", component.version)):
        if not _PLAIN.fullmatch(text):
            raise InputError(
                f"{PLUGINS.origin(owner.name)} provides a component with the {what} {text!r}, "
                "which cannot be part of a path",
                file=owner.lock,
                line=_line(owner, component),
                remedy="Use letters, digits and ._+-, and begin with a letter or a digit.",
            )


def _line(owner: ComponentSet, component: Component) -> int:
    return line_in_lock(owner.lock, "components", component.name)


def own_components() -> ComponentSet:
    """Edge-lab's own."""
    return ComponentSet(OWN, tuple(CATALOG.values()), IMAGES / LOCK_NAME, IMAGES / "go")


PLUGINS: PluginGroup[ComponentSet] = PluginGroup(
    group="edge_lab.components",
    what="set of components",
    own=lambda: {OWN: own_components},
    fits=lambda loaded, name: isinstance(loaded, ComponentSet) and loaded.name == name,
)


def installed_components() -> Components:
    """Edge-lab's own, and those of all distributions that are installed."""
    return Components(
        own_components(), lambda: [PLUGINS.find(name) for name in PLUGINS.names() if name != OWN]
    )
