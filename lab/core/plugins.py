"""Plug-ins of other distributions, found by their entry points without importing them.

Each kind of plug-in has a group of entry points. The name of an entry is that of the plug-in, its
object is the class. (https://packaging.python.org/en/latest/specifications/entry-points/)
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from edge_lab.core.errors import InputError
from edge_lab.core.names import NAME_RULE, is_name

T = TypeVar("T")


@dataclass(frozen=True)
class PluginGroup(Generic[T]):
    """One kind of plug-in."""

    group: str
    """Of entry points."""
    what: str
    """For messages: `add-on`."""
    own: Callable[[], Mapping[str, Callable[[], T]]]
    """The plug-ins of edge-lab itself, by name."""
    fits: Callable[[Any, str], bool]
    """Whether an object is a plug-in of this kind with that name."""

    def names(self) -> tuple[str, ...]:
        """All names: edge-lab's own in their order, then those of other distributions."""
        return (*self.own(), *sorted(self._foreign()))

    def find(self, name: str) -> T:
        """A new object of the plug-in of that name.

        Raises:
            InputError: there is none, or it cannot be imported.
        """
        own = self.own()
        if name in own:
            return own[name]()
        foreign = self._foreign()
        if name in foreign:
            return self._load(foreign[name])
        near = difflib.get_close_matches(name, self.names(), n=1)
        hint = f"Did you mean {near[0]!r}? " if near else ""
        raise InputError(
            f"there is no {self.what} {name!r}",
            remedy=f"{hint}Available: {', '.join(self.names())}.",
        )

    def origin(self, name: str) -> str:
        """Which distribution provides the plug-in of that name, for messages."""
        foreign = self._foreign()
        return _origin(foreign[name]) if name in foreign else "edge-lab"

    def _foreign(self) -> dict[str, EntryPoint]:
        own = self.own()
        found: dict[str, EntryPoint] = {}
        for entry in entry_points(group=self.group):
            if not is_name(entry.name):
                raise InputError(
                    f"{_origin(entry)} provides the {self.what} {entry.name!r}, which is not "
                    "a valid name",
                    remedy=f"A name is {NAME_RULE}.",
                )
            if entry.name in own:
                raise InputError(
                    f"{_origin(entry)} provides the {self.what} {entry.name!r}, and edge-lab "
                    "has one "
                    "of that name",
                    remedy="Uninstall it until its authors have chosen another name.",
                )
            other = found.setdefault(entry.name, entry)
            if other.value != entry.value:
                raise InputError(
                    f"{_origin(other)} and {_origin(entry)} both provide the {self.what} "
                    f"{entry.name!r}",
                    remedy="Uninstall one of them.",
                )
        return found

    def _load(self, entry: EntryPoint) -> T:
        try:
            loaded: T = entry.load()()
        except Exception as trouble:
            raise InputError(
                f"the {self.what} {entry.name!r} of {_origin(entry)} cannot be loaded "
                f"({type(trouble).__name__}: {trouble})",
                remedy=f"Its entry point is {entry.value}: reinstall or uninstall it.",
            ) from trouble
        if not self.fits(loaded, entry.name):
            raise InputError(
                f"the entry point {entry.name} = {entry.value} of {_origin(entry)} is not a "
                f"{self.what} of that name"
            )
        return loaded


def _origin(entry: EntryPoint) -> str:
    return f"the distribution {entry.dist.name}" if entry.dist else "an installed distribution"
