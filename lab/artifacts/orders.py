"""What is wanted, with all that follows from it: its component, and its key in the cache."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_lab.artifacts.catalog import find_component
from edge_lab.artifacts.gomodules import FLAGS, GOFLAGS, GoModule, link_flags, module_digest
from edge_lab.artifacts.lock import Lock, check_lock, read_lock
from edge_lab.artifacts.model import Component, Want


@dataclass(frozen=True)
class Order:
    """A want with all that follows from it."""

    want: Want
    component: Component
    key: str


class OrderBook:
    """Makes orders by the catalogue, the lock file and the Go modules of images/go."""

    def __init__(self, catalog: Mapping[str, Component], lock_file: Path, modules: Path) -> None:
        self._catalog = catalog
        self._lock_file = lock_file
        self._modules = modules

    def orders(self, wanted: Sequence[Want]) -> list[Order]:
        """One for each want.

        Raises:
            InputError: an unknown component, or the lock disagrees with the catalogue.
        """
        wants = list(dict.fromkeys(wanted))
        components = {want: find_component(want.component, self._catalog) for want in wants}
        lock = read_lock(self._lock_file)
        check_lock(self._lock_file, lock, components.values(), self._modules)
        return [self.order(want, components[want], lock) for want in wants]

    def order(self, want: Want, component: Component, lock: Lock) -> Order:
        """The order of a component that the lock agrees about."""
        pinned = lock.components[component.name].digest(want.arch)
        parts: dict[str, object] = {
            "component": component.name,
            "version": component.version,
            "arch": want.arch.value,
            "pinned": str(pinned or ""),
        }
        if release := component.release:
            files = release.files.get(want.arch, ())
            parts["release"] = [release.page, *files, release.member]
        if component.go:
            module = self._module(component.go.module)
            parts |= {
                "module": "" if module.problem() else module_digest(module, component.go),
                "package": component.go.package,
                "flags": [*FLAGS, GOFLAGS, link_flags(component.go)],
            }
        if component.files:
            module = self._module(component.files.module)
            parts |= {
                "module": "" if module.problem() else module_digest(module, component.files),
                "patterns": component.files.patterns,
            }
        text = json.dumps(parts, sort_keys=True)
        return Order(want, component, hashlib.sha256(text.encode()).hexdigest())

    def _module(self, name: str) -> GoModule:
        return GoModule(name, self._modules / name)
