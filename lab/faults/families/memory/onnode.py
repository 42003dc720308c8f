"""What the injectors of faults of memory share: commands on the node, and looks at its memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

from edge_lab.core.errors import named
from edge_lab.faults.families.memory import guest
from edge_lab.faults.families.memory.amounts import LOOK_EVERY
from edge_lab.faults.families.memory.kinds import MemoryFault
from edge_lab.faults.families.memory.sight import Sight, parse_sight
from edge_lab.faults.family import Injector
from edge_lab.faults.limits import COMMAND_SECONDS, PROOF_SECONDS, TimeLimit, prove

if TYPE_CHECKING:
    from edge_lab.machines import Machine

M = TypeVar("M", bound=MemoryFault)


class NodeInjector(Injector[M]):
    """Injects faults of memory on the machines of a lab."""

    def __init__(self, machines: Mapping[str, Machine], limit: TimeLimit) -> None:
        self._machines = machines
        self._limit = limit

    def _machine(self, fault: M) -> Machine:
        return named("node", fault.node, self._machines)

    def _run(self, fault: M, command: str) -> str:
        return self._machine(fault).run(command, self._limit(COMMAND_SECONDS)).stdout.strip()

    def _look(self, fault: M) -> Sight:
        return parse_sight(self._run(fault, guest.look(fault.fault)))

    def _prove(self, what: str, found: Callable[[], str]) -> str:
        """What `found` says, once it says something."""
        return prove(what, found, self._limit(PROOF_SECONDS), every=LOOK_EVERY)

    def _prove_cure(self, fault: M, cured: Callable[[], str]) -> str:
        """The same of a heal, after which the node forgets the state before the fault."""
        cure = self._prove(f"{fault.title} is healed", cured)
        self._run(fault, guest.FORGET)
        return cure
