"""Orders: what is wanted, with its component, pin, and cache key."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_lab.artifacts.checksums import folder_digest
from edge_lab.artifacts.components import Components, Owned
from edge_lab.artifacts.gomodules import FLAGS, GOFLAGS, GoModule, link_flags, module_digest
from edge_lab.artifacts.lock import Lock, check_lock, misfit, pin_of, read_lock
from edge_lab.artifacts.model import ArtifactState, Availability, Component, Want
from edge_lab.artifacts.pin import Pin


@dataclass(frozen=True)
class Order:
    """A want with everything derived from it."""

    want: Want
    component: Component
    module: GoModule | None
    """The Go module that the component is built or joined from, if there is one."""
    pin: Pin | None
    key: str
    firmware: Path | None = None
    """The folder of the firmware's own sources, if it is one."""


class OrderBook:
    """Creates orders from the available components and the locks of their sets."""

    def __init__(self, components: Components) -> None:
        self._components = components

    def orders(self, wanted: Sequence[Want]) -> list[Order]:
        """One order for each want.

        Raises:
            InputError: an unknown component, or its lock disagrees with its set.
        """
        owned = {want: self._components.find(want.component) for want in dict.fromkeys(wanted)}
        locks: dict[Path, Lock] = {}
        for owner in {
            component.owner.lock: component.owner for component in owned.values()
        }.values():
            locks[owner.lock] = read_lock(owner)
            theirs = [want for want, component in owned.items() if component.owner == owner]
            check_lock(owner, locks[owner.lock], theirs)
        return [
            _order(want, component, locks[component.owner.lock])
            for want, component in owned.items()
        ]

    def looked_up(self, wanted: Sequence[Want]) -> list[Order | ArtifactState]:
        """An order for each want; if the lock disagrees, a state that reports it.

        Raises:
            InputError: an unknown component, or a lock file that cannot be read.
        """
        locks: dict[Path, Lock] = {}
        found: list[Order | ArtifactState] = []
        for want in dict.fromkeys(wanted):
            owned = self._components.find(want.component)
            component, owner = owned.component, owned.owner
            if owner.lock not in locks:
                locks[owner.lock] = read_lock(owner)
            lock = locks[owner.lock]
            if remedy := misfit(owner, lock, want):
                missing = Availability.MISSING
                found.append(
                    ArtifactState(component.name, component.version, want.arch, missing, "", remedy)
                )
            else:
                found.append(_order(want, owned, lock))
        return found


def _order(want: Want, owned: Owned, lock: Lock) -> Order:
    """The order of a component that the lock agrees about."""
    component, module = owned.component, owned.owner.module(owned.component)
    pin = pin_of(owned.owner, lock, want)
    parts: dict[str, object] = {
        "component": component.name,
        "version": component.version,
        "arch": want.arch.value,
        "pinned": str(pin.digest) if pin else "",
        **({"image": True} if component.image else {}),
    }
    # For components that can also be built, the source does not matter.
    if component.recipe is None and (release := component.release):
        files = release.files.get(want.arch, ())
        parts["release"] = [release.page, *files, release.member]
    if component.go and module:
        parts |= {
            "module": "" if module.problem() else module_digest(module, component.go),
            "package": component.go.package,
            "flags": [*FLAGS, GOFLAGS, link_flags(component.go)],
            # Only if there are any, so that the keys of all others do not change.
            **({"tags": component.go.tags} if component.go.tags else {}),
            **({"cgo": True} if component.go.cgo else {}),
        }
    if component.files and module:
        parts |= {
            "module": "" if module.problem() else module_digest(module, component.files),
            "patterns": component.files.patterns,
        }
    firmware = None
    if component.firmware:
        firmware = owned.owner.firmware / component.firmware.folder
        parts |= {"firmware": component.firmware.parts, "sources": folder_digest(firmware)}
    text = json.dumps(parts, sort_keys=True)
    key = hashlib.sha256(text.encode()).hexdigest()
    return Order(want, component, module, pin, key, firmware)
