"""Faults of nodes: their power, CPUs, services, clock and disk, processes and open files."""

from __future__ import annotations

from typing import Any

from edge_lab.faults.families.node.kinds import (
    ClockJump,
    ClockSkew,
    DiskFull,
    FilesExhausted,
    Freeze,
    Kill,
    Pause,
    PidsExhausted,
    PowerOff,
    Reboot,
    SlowDisk,
)
from edge_lab.faults.family import FaultFamily, Injector, LabAccess
from edge_lab.faults.limits import TimeLimit


class Nodes(FaultFamily):
    name = "node"
    kinds = (
        PowerOff,
        Reboot,
        Pause,
        Kill,
        Freeze,
        ClockJump,
        ClockSkew,
        DiskFull,
        SlowDisk,
        PidsExhausted,
        FilesExhausted,
    )

    def injector(self, lab: LabAccess, limit: TimeLimit) -> Injector[Any]:
        from edge_lab.faults.carrier import Carriers
        from edge_lab.faults.families.node.action import NodeTools
        from edge_lab.faults.families.node.injector import NodeInjector

        carriers = Carriers(lab.topology, lab.fabric, lab.machines)
        tools = NodeTools(limit, carriers.restore, lab.stack.runtime.agents)
        return NodeInjector(lab.machines, tools)
