"""The add-ons by name: the lab's own, and those of other distributions.

Another distribution brings an add-on by an entry point of the group `edge_lab.addons`, whose name
is the add-on's and whose object is its class.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points

from edge_lab.addons.base import AddOn
from edge_lab.addons.twins.addon import Twins
from edge_lab.addons.workload.addon import Workload
from edge_lab.core.errors import InputError
from edge_lab.core.names import NAME_RULE, is_name

GROUP = "edge_lab.addons"

ADDONS: Mapping[str, Callable[[], AddOn]] = {addon.name: addon for addon in (Twins, Workload)}
"""The lab's own."""


def known_addons() -> tuple[str, ...]:
    """The names of all add-ons, without loading any."""
    return (*ADDONS, *sorted(_foreign()))


def find_addon(name: str) -> AddOn:
    """The add-on of that name.

    Raises:
        InputError: there is none, or its distribution cannot be imported.
    """
    if name in ADDONS:
        return ADDONS[name]()
    foreign = _foreign()
    if name in foreign:
        return _load(foreign[name])
    near = difflib.get_close_matches(name, known_addons(), n=1)
    hint = f"Did you mean {near[0]!r}? " if near else ""
    raise InputError(
        f"there is no add-on {name!r}", remedy=f"{hint}Known are: {', '.join(known_addons())}."
    )


def declared_capabilities() -> tuple[str, ...]:
    """All that add-ons may give to nodes."""
    declared = [find_addon(name).declares for name in known_addons()]
    return tuple(sorted(frozenset().union(*declared)))


def _foreign() -> dict[str, EntryPoint]:
    """The add-ons of other distributions by name; InputError if two share one."""
    found: dict[str, EntryPoint] = {}
    for entry in entry_points(group=GROUP):
        if not is_name(entry.name):
            raise InputError(
                f"{_origin(entry)} brings an add-on of the name {entry.name!r}, which is none",
                remedy=f"A name is {NAME_RULE}.",
            )
        if entry.name in ADDONS:
            raise InputError(
                f"{_origin(entry)} brings an add-on {entry.name!r}, and edge-lab has one of that "
                "name",
                remedy="Its authors have to choose another; uninstall it until then.",
            )
        other = found.setdefault(entry.name, entry)
        if other.value != entry.value:
            raise InputError(
                f"{_origin(other)} and {_origin(entry)} both bring an add-on {entry.name!r}",
                remedy="Uninstall one of them.",
            )
    return found


def _load(entry: EntryPoint) -> AddOn:
    try:
        addon = entry.load()()
    except Exception as trouble:
        raise InputError(
            f"the add-on {entry.name!r} of {_origin(entry)} cannot be loaded "
            f"({type(trouble).__name__}: {trouble})",
            remedy=f"Its entry point is {entry.value}: install it again, or uninstall it.",
        ) from trouble
    if not isinstance(addon, AddOn) or addon.name != entry.name:
        raise InputError(
            f"the entry point {entry.name} = {entry.value} of {_origin(entry)} is no add-on of "
            "that name",
            remedy="It must name a class that inherits from edge_lab.addons.AddOn and has this "
            "name.",
        )
    return addon


def _origin(entry: EntryPoint) -> str:
    return f"the distribution {entry.dist.name}" if entry.dist else "an installed distribution"
