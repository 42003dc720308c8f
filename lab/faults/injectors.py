"""The injectors of one lab, each created at the first fault of its family."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from edge_lab.faults.catalog import family_of
from edge_lab.faults.family import FaultFamily, Injector, LabAccess
from edge_lab.faults.fault import Fault
from edge_lab.faults.limits import TimeLimit


class LabInjectors:
    """Returns the injector of a fault in that lab. Thread-safe."""

    def __init__(
        self,
        lab: LabAccess,
        limit: TimeLimit,
        family_of: Callable[[Fault], FaultFamily] = family_of,
    ) -> None:
        self._family_of = family_of
        self._lab = lab
        self._limit = limit
        self._made: dict[str, Injector[Any]] = {}
        self._lock = threading.Lock()

    def __call__(self, fault: Fault) -> Injector[Any]:
        """Raises InputError if its kind is not in the catalog."""
        family = self._family_of(fault)
        with self._lock:
            if family.name not in self._made:
                self._made[family.name] = family.injector(self._lab, self._limit)
            return self._made[family.name]
