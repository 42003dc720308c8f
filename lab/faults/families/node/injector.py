"""Faults of nodes: injected into their machines, observed in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from edge_lab.core.errors import named
from edge_lab.faults.families.node.action import NodeAction, NodeTools
from edge_lab.faults.families.node.clock import ClockJumpAction, ClockSkewAction
from edge_lab.faults.families.node.disk import DiskFullAction, SlowDiskAction
from edge_lab.faults.families.node.files import FilesExhaustedAction
from edge_lab.faults.families.node.kinds import (
    ClockJump,
    ClockSkew,
    DiskFull,
    FilesExhausted,
    Freeze,
    Kill,
    NodeFault,
    Pause,
    PidsExhausted,
    PowerOff,
    Reboot,
    SlowDisk,
)
from edge_lab.faults.families.node.pids import PidsExhaustedAction
from edge_lab.faults.families.node.power import PauseAction, PowerOffAction, RebootAction
from edge_lab.faults.families.node.services import FreezeAction, KillAction
from edge_lab.faults.family import Injector, for_kind
from edge_lab.faults.fault import Fault
from edge_lab.faults.undo import undoing

if TYPE_CHECKING:
    from edge_lab.machines import Machine

ACTIONS: Mapping[type[Fault], Callable[[NodeTools], NodeAction[Any]]] = {
    PowerOff: PowerOffAction,
    Reboot: RebootAction,
    Pause: PauseAction,
    Kill: KillAction,
    Freeze: FreezeAction,
    ClockJump: ClockJumpAction,
    ClockSkew: ClockSkewAction,
    DiskFull: DiskFullAction,
    SlowDisk: SlowDiskAction,
    PidsExhausted: PidsExhaustedAction,
    FilesExhausted: FilesExhaustedAction,
}


class NodeInjector(Injector[NodeFault]):
    """Injects and heals faults on the machines of a lab."""

    def __init__(self, machines: Mapping[str, Machine], tools: NodeTools) -> None:
        self._machines = machines
        self._tools = tools

    def check(self, fault: NodeFault) -> None:
        machine = self._machine(fault.node)
        self._action(fault).check(machine, fault)

    def inject(self, fault: NodeFault) -> str:
        with undoing(lambda: self.heal(fault)):
            machine = self._machine(fault.node)
            return self._action(fault).inject(machine, fault)

    def heal(self, fault: NodeFault) -> str:
        machine = self._machine(fault.node)
        return self._action(fault).heal(machine, fault)

    def _machine(self, node: str) -> Machine:
        return named("node", node, self._machines)

    def _action(self, fault: NodeFault) -> NodeAction[Any]:
        return for_kind(ACTIONS, fault)(self._tools)
