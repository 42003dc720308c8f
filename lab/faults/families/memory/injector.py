"""Injects and heals the faults of memory on the machines of a lab, each in its way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from edge_lab.faults.families.memory.balloon import BalloonInjector
from edge_lab.faults.families.memory.kinds import (
    MemoryBalloon,
    MemoryFault,
    MemoryHog,
    MemoryLeak,
    PageCache,
)
from edge_lab.faults.families.memory.process import ProcessInjector
from edge_lab.faults.family import Injector, for_kind
from edge_lab.faults.fault import Fault
from edge_lab.faults.limits import TimeLimit

if TYPE_CHECKING:
    from edge_lab.machines import Machine

INJECTORS: Mapping[type[Fault], Callable[[Mapping[str, Machine], TimeLimit], Injector[Any]]] = {
    MemoryHog: ProcessInjector,
    MemoryLeak: ProcessInjector,
    PageCache: ProcessInjector,
    MemoryBalloon: BalloonInjector,
}


class MemoryInjector(Injector[MemoryFault]):
    """All faults of memory, by process or by hypervisor."""

    def __init__(self, machines: Mapping[str, Machine], limit: TimeLimit) -> None:
        self._machines = machines
        self._limit = limit

    def check(self, fault: MemoryFault) -> None:
        self._injector(fault).check(fault)

    def inject(self, fault: MemoryFault) -> str:
        return self._injector(fault).inject(fault)

    def heal(self, fault: MemoryFault) -> str:
        return self._injector(fault).heal(fault)

    def _injector(self, fault: MemoryFault) -> Injector[Any]:
        return for_kind(INJECTORS, fault)(self._machines, self._limit)
