"""The base of all faults: what is broken and where, as data, and what follows from that alone.

A fault has no duration: that is up to its caller. What needs a running lab is in the injector of
the fault's family (`edge_lab.faults.family`).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Self

from pydantic import BaseModel, ConfigDict

from edge_lab.core.errors import InputError, NotPossible
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
    """The name of the family whose injector handles it."""
    reserved_s: ClassVar[float] = 0.0
    """For a momentary fault, which ends by itself: the seconds that a plan reserves for it."""

    @property
    @abstractmethod
    def title(self) -> str:
        """A short description, for logs and diagrams."""

    @property
    @abstractmethod
    def targets(self) -> frozenset[str]:
        """What it locks: no other active fault may have one of these targets.

        So it is always clear which state healing restores.
        """

    @property
    @abstractmethod
    def scope(self) -> Scope:
        """The parts of the lab that it affects, for oracles."""

    @property
    def stops(self) -> tuple[NodeStop, ...]:
        """The nodes that stop while it is active, for oracles."""
        return ()

    @property
    def aftermath(self) -> str:
        """What it may leave behind although it was healed; empty if nothing."""
        return ""

    # -- in a plan -------------------------------------------------------------------------------

    @property
    def is_momentary(self) -> bool:
        """Whether it ends by itself, so that it has no planned end."""
        return self.reserved_s > 0

    @property
    def least_s(self) -> float:
        """Minimum seconds that it takes; 0 if it lasts until it is healed."""
        return self.reserved_s

    def seeded(self, seed: int) -> Self:
        """This fault with that seed for its random parts, unless it has its own."""
        return self

    @abstractmethod
    def claims(self, topology: Topology) -> Claims:
        """Its claims on parts of the lab, to find conflicts within a plan.

        Raises:
            InputError: no probe in that lab could observe the fault.
        """

    # -- whether it is possible ------------------------------------------------------------------

    @abstractmethod
    def objections(self, topology: Topology) -> Iterator[Objection]:
        """Why it is not possible in a lab of that topology, or could never be observed there.

        The most basic one comes first, and is shown to the user.
        """

    def check(self, topology: Topology) -> None:
        """Raises InputError if it is not possible in a lab of that topology; NotPossible, which is
        one, if it is the node's machine that cannot do it."""
        for objection in self.objections(topology):
            kind = NotPossible if objection.is_lack else InputError
            raise kind(objection.message, remedy=objection.remedy)
