"""The protocol of actions on a machine, one for each kind of fault, and what they share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from edge_lab.faults.families.node.kinds import NodeFault
from edge_lab.faults.limits import COMMAND_SECONDS, PROOF_SECONDS, TimeLimit, prove

if TYPE_CHECKING:
    from edge_lab.machines import Machine

N = TypeVar("N", bound=NodeFault)


def _nothing(node: str) -> None:
    pass


@dataclass(frozen=True)
class NodeTools:
    """What faults of nodes use to act and to observe."""

    limit: TimeLimit
    replug: Callable[[str], None] = _nothing
    """Called with a node's name after it was switched on: links that were cut before are still
    cut."""
    agents: tuple[str, ...] = ()
    """Units that may fail at boot: whether a runtime starts without its cloud is for a test to
    decide."""

    def run(self, machine: Machine, command: str) -> str:
        """The output of the command, which is run over the management path."""
        return machine.run(command, self.limit(COMMAND_SECONDS)).stdout.strip()

    def see(self, what: str, seen: Callable[[], bool]) -> None:
        """Waits until `seen` is true; LabError if it never is."""
        prove(what, seen, self.limit(PROOF_SECONDS))

    def correct_clock(self, machine: Machine) -> str:
        """Sets the clock to the host's, and describes the remaining difference."""
        left = machine.set_clock(self.limit(COMMAND_SECONDS))
        return f"its clock is {left:+.2f} s off the host's"


class NodeAction(ABC, Generic[N]):
    """Injects one kind of fault into machines, and heals it."""

    def __init__(self, tools: NodeTools) -> None:
        self.tools = tools

    def check(self, machine: Machine, fault: N) -> None:
        """InputError if it could not be observed on the machine as it is; changes nothing."""
        return

    @abstractmethod
    def inject(self, machine: Machine, fault: N) -> str:
        """The observed effect; LabError if there was none, InputError if nothing was changed."""

    @abstractmethod
    def heal(self, machine: Machine, fault: N) -> str:
        """The observed recovery; LabError if there was none."""
