"""What one kind of fault does to a machine, and what all of them use."""

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
    """What faults of nodes use to act and to look."""

    limit: TimeLimit
    replug: Callable[[str], None] = _nothing
    """Called with a node's name when it has got its power back: a cable that was out before is
    still out."""
    agents: tuple[str, ...] = ()
    """Units that may fail at a boot: whether a runtime comes up without its cloud is for a test to
    judge."""

    def run(self, machine: Machine, command: str) -> str:
        """What the command prints; what is done to a guest goes over the management path."""
        return machine.run(command, self.limit(COMMAND_SECONDS)).stdout.strip()

    def see(self, what: str, seen: Callable[[], bool]) -> None:
        """Waits until `seen` is true; LabError if it never is."""
        prove(what, seen, self.limit(PROOF_SECONDS))

    def correct_clock(self, machine: Machine) -> str:
        """Sets the clock by the host's, and says how far off it is still."""
        left = machine.set_clock(self.limit(COMMAND_SECONDS))
        return f"its clock is {left:+.2f} s off the host's"


class NodeAction(ABC, Generic[N]):
    """Does one kind of fault to machines, and undoes it."""

    def __init__(self, tools: NodeTools) -> None:
        self.tools = tools

    def check(self, machine: Machine, fault: N) -> None:
        """InputError if it could not be seen on that machine as it is; does nothing to it."""
        return

    @abstractmethod
    def inject(self, machine: Machine, fault: N) -> str:
        """What was seen of it; LabError if nothing was, InputError if nothing was done."""

    @abstractmethod
    def heal(self, machine: Machine, fault: N) -> str:
        """What was seen of the cure; LabError if nothing was."""
