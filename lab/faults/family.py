"""A family of faults: their kinds, and what injects and heals them in a lab that is up."""

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
    """What a family may use of a lab that is up. `edge_lab.handle.lab.Lab` is one."""

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
    """Injects and heals the faults of one family in one lab. Several threads may use it."""

    def check(self, fault: F) -> None:
        """Looks whether the fault could be seen in the lab as it is now, and changes nothing.

        Raises:
            InputError: it could not, and why.
        """
        return

    @abstractmethod
    def inject(self, fault: F) -> str:
        """Returns when its effect was seen, with the proof in words.

        Raises:
            InputError: it cannot be done to the lab as it is; nothing was done.
            LabError: no effect was seen; it is undone then.
            StillInForce: nor could it be undone.
        """

    @abstractmethod
    def heal(self, fault: F) -> str:
        """Returns when the cure was seen, with the proof in words; LabError if none was.

        A heal that failed can be tried again.
        """


class FaultFamily(ABC):
    """Kinds of faults that one injector does."""

    name: ClassVar[str]
    kinds: ClassVar[tuple[type[Fault], ...]]
    """Each names the family, in `Fault.family`."""

    @abstractmethod
    def injector(self, lab: LabAccess, limit: TimeLimit) -> Injector[Any]:
        """Made when the family is first used in that lab; what only it needs is imported here."""


def for_kind(table: Mapping[type[Fault], T], fault: Fault) -> T:
    """What a family has for the fault's kind.

    Raises:
        InputError: nothing; the remedy lists the kinds for which it has something.
    """
    try:
        return table[type(fault)]
    except KeyError:
        known = [str(kind.model_fields["fault"].default) for kind in table]
        raise InputError(
            f"the family {fault.family!r} has no fault {fault.fault!r}",
            remedy=f"{did_you_mean(fault.fault, known)}Available: {', '.join(known)}.",
        ) from None
