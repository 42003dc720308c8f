"""Faults of memory: a process outside Kubernetes uses it up, or the hypervisor takes it."""

from __future__ import annotations

from typing import Any

from edge_lab.faults.families.memory.kinds import MemoryBalloon, MemoryHog, MemoryLeak, PageCache
from edge_lab.faults.family import FaultFamily, Injector, LabAccess
from edge_lab.faults.limits import TimeLimit


class Memory(FaultFamily):
    name = "memory"
    kinds = (MemoryHog, MemoryLeak, PageCache, MemoryBalloon)

    def injector(self, lab: LabAccess, limit: TimeLimit) -> Injector[Any]:
        from edge_lab.faults.families.memory.injector import MemoryInjector

        return MemoryInjector(lab.machines, limit)
