"""A family of faults: its kinds, and the injector that handles them in a running lab."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from edge_lab.core.errors import InputError
from edge_lab.core.yamlmodel import did_you_mean
from edge_lab.faults.fault import Fault
from edge_lab.faults.limits import TimeLimit

if TYPE_CHECKING:
    from edge_lab.addons import Platform
    from edge_lab.cluster.kubectl import Kubectl
    from edge_lab.devices import DeviceClient
    from edge_lab.fabric import FabricClient
    from edge_lab.machines import Machine
    from edge_lab.pki import Pki
    from edge_lab.stacks import Stack
    from edge_lab.topology import Topology

F = TypeVar("F", bound=Fault)
T = TypeVar("T")


class LabAccess(Protocol):
    """What a family may use of a running lab. `edge_lab.handle.lab.Lab` implements it."""

    @property
    def topology(self) -> Topology: ...

    @property
    def machines(self) -> Mapping[str, Machine]: ...

    @property
    def fabric(self) -> FabricClient: ...

    @property
    def devices(self) -> Mapping[str, DeviceClient]: ...

    @property
    def kubectl(self) -> Kubectl: ...

    @property
    def stack(self) -> Stack: ...

    @property
    def platform(self) -> Platform: ...

    @property
    def pki(self) -> Pki: ...


class Injector(ABC, Generic[F]):
    """Injects and heals the faults of one family in one lab. Thread-safe."""

    def check(self, fault: F) -> None:
        """Checks whether the fault could be observed in the lab as it is now; changes nothing.

        Raises:
            InputError: it could not, with the reason.
        """
        return

    @abstractmethod
    def inject(self, fault: F) -> str:
        """Returns when its effect was seen, with a description of the proof.

        Raises:
            InputError: it is impossible in the lab as it is; nothing was changed.
            LabError: no effect was seen; the fault has been undone.
            StillActive: nor could it be undone.
        """

    @abstractmethod
    def heal(self, fault: F) -> str:
        """Returns when the recovery was seen, with a description of it; LabError if none was.

        A heal that failed can be tried again.
        """


class FaultFamily(ABC):
    """Kinds of faults that one injector handles."""

    name: ClassVar[str]
    kinds: ClassVar[tuple[type[Fault], ...]]
    """Each names the family, in `Fault.family`."""

    @abstractmethod
    def injector(self, lab: LabAccess, limit: TimeLimit) -> Injector[Any]:
        """Creates the injector when the family is first used in that lab; imports what it needs."""


def for_kind(table: Mapping[type[Fault], T], fault: Fault) -> T:
    """The entry of a family for the fault's kind.

    Raises:
        InputError: there is none; the remedy lists the kinds that have one.
    """
    try:
        return table[type(fault)]
    except KeyError:
        known = [str(kind.model_fields["fault"].default) for kind in table]
        raise InputError(
            f"the family {fault.family!r} has no fault {fault.fault!r}",
            remedy=f"{did_you_mean(fault.fault, known)}Available: {', '.join(known)}.",
        ) from None
