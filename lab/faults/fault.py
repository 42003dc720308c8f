"""What every fault is: data that says what is broken and where, and what follows from that alone.

A fault never says for how long it lasts: that is up to its caller. What needs a lab that is up is
in the injector of the fault's family (`edge_lab.faults.family`).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Self

from pydantic import BaseModel, ConfigDict

from edge_lab.core.errors import InputError
from edge_lab.faults.claims import Claims
from edge_lab.faults.effects import NodeStop, Scope
from edge_lab.faults.objections import Objection
from edge_lab.topology import Topology


class Fault(BaseModel):
    """Base of all faults. A kind has a field `fault`, a literal with its name as the default."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    if TYPE_CHECKING:
        fault: str

    family: ClassVar[str]
    """The name of the family whose injector does it."""
    reserved_s: ClassVar[float] = 0.0
    """Of a momentary fault, one that is over by itself: seconds that a plan reserves for that."""

    @property
    @abstractmethod
    def title(self) -> str:
        """In a few words, for logs and pictures."""

    @property
    @abstractmethod
    def targets(self) -> frozenset[str]:
        """What it has to itself: no other active fault may have one of these targets.

        So a heal always knows what to put back.
        """

    @property
    @abstractmethod
    def scope(self) -> Scope:
        """The parts of the lab that it acts on, for oracles."""

    @property
    def stops(self) -> tuple[NodeStop, ...]:
        """The nodes that stop while it is active, for oracles."""
        return ()

    # -- in a plan -------------------------------------------------------------------------------

    @property
    def is_momentary(self) -> bool:
        """Whether it is over by itself, so that nobody says when it ends."""
        return self.reserved_s > 0

    @property
    def least_s(self) -> float:
        """Seconds that it takes by itself; 0 if it lasts until it is healed."""
        return self.reserved_s

    def seeded(self, seed: int) -> Self:
        """This fault with that seed for what it leaves to chance, unless it has one of its own."""
        return self

    @abstractmethod
    def claims(self, topology: Topology) -> Claims:
        """What it has to do with parts of a lab, so that a plan does not contradict itself.

        Raises:
            InputError: nothing in that lab could see the fault.
        """

    # -- whether it is possible ------------------------------------------------------------------

    @abstractmethod
    def objections(self, topology: Topology) -> Iterator[Objection]:
        """Why it is not possible in a lab of that topology, or could never be seen there.

        The most basic one comes first, and is the one that users are shown.
        """

    def check(self, topology: Topology) -> None:
        """Raises InputError if it is not possible in a lab of that topology."""
        for objection in self.objections(topology):
            raise InputError(objection.message, remedy=objection.remedy)
