"""The catalog of families of faults: those of edge-lab, and those of other distributions.

Another distribution provides a family by an entry point of the group `edge_lab.fault_families`,
whose name is the family's and whose object is its class. They are loaded only when a fault is
requested that edge-lab itself does not have, or when all faults are listed: a broken distribution
never prevents the healing of a link.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args, get_origin

from edge_lab.core.errors import InputError
from edge_lab.core.plugins import PluginGroup
from edge_lab.core.yamlmodel import did_you_mean
from edge_lab.faults.families.authority import Authorities
from edge_lab.faults.families.certificate import Certificates
from edge_lab.faults.families.device import Devices
from edge_lab.faults.families.link import Links
from edge_lab.faults.families.memory import Memory
from edge_lab.faults.families.node import Nodes
from edge_lab.faults.families.serial import SerialLines
from edge_lab.faults.family import FaultFamily
from edge_lab.faults.fault import Fault

BUILT_IN: Mapping[str, Callable[[], FaultFamily]] = {
    family.name: family
    for family in (Links, Nodes, Devices, SerialLines, Certificates, Authorities, Memory)
}
"""In the order in which messages and `lab fault kinds` list them."""

PLUGINS: PluginGroup[FaultFamily] = PluginGroup(
    group="edge_lab.fault_families",
    what="family of faults",
    own=lambda: BUILT_IN,
    fits=lambda loaded, name: isinstance(loaded, FaultFamily) and loaded.name == name,
)

PLAN_KEYS = frozenset({"at", "for", "for_"})
"""The fields that a plan adds to those of a fault."""


@dataclass(frozen=True)
class Catalog:
    """Families by name, and all their kinds by name."""

    families: Mapping[str, FaultFamily]
    kinds: Mapping[str, type[Fault]]

    @classmethod
    def of(cls, brought: Iterable[tuple[FaultFamily, str]]) -> Catalog:
        """Creates a catalog of families with distinct names, each with its origin.

        Raises:
            InputError: a kind cannot be used, or two have one name.
        """
        families: dict[str, FaultFamily] = {}
        kinds: dict[str, type[Fault]] = {}
        origins: dict[str, str] = {}
        for family, origin in brought:
            families[family.name] = family
            for kind in family.kinds:
                name = _name_of(kind, family, origin)
                if name in kinds:
                    raise InputError(
                        f"{origins[name]} and {origin} both provide a fault {name!r}",
                        remedy="Uninstall one of them until its authors have chosen another name.",
                    )
                kinds[name], origins[name] = kind, origin
        return cls(MappingProxyType(families), MappingProxyType(kinds))

    def kind(self, name: str) -> type[Fault]:
        """The kind of that name; InputError if there is none."""
        try:
            return self.kinds[name]
        except KeyError:
            raise InputError(
                f"there is no fault {name!r}",
                remedy=f"{did_you_mean(name, self.kinds)}Available: {', '.join(self.kinds)}.",
            ) from None

    def family_of(self, fault: Fault) -> FaultFamily:
        """Raises InputError if its kind is not in the catalog."""
        kind = self.kind(fault.fault)
        if type(fault) is not kind:
            raise InputError(
                f"the fault {fault.fault!r} is {kind.__module__}.{kind.__qualname__}, not "
                f"{type(fault).__module__}.{type(fault).__qualname__}",
                remedy="Add the class to the `kinds` of its family.",
            )
        return self.families[kind.family]


@functools.cache
def built_in() -> Catalog:
    """The families that come with edge-lab."""
    return Catalog.of((family(), "edge-lab") for family in BUILT_IN.values())


@functools.cache
def catalog() -> Catalog:
    """All families, including those of other distributions.

    Raises:
        InputError: one of them cannot be loaded, or its names clash with those of another one.
    """
    return Catalog.of((PLUGINS.find(name), PLUGINS.origin(name)) for name in PLUGINS.names())


def kind_named(name: str) -> type[Fault]:
    """The kind of that name; InputError if there is none."""
    return _that_has(name).kind(name)


def family_of(fault: Fault) -> FaultFamily:
    """The family that injects and heals it; InputError if its kind is not in the catalog."""
    return _that_has(fault.fault).family_of(fault)


def _that_has(kind: str) -> Catalog:
    own = built_in()
    return own if kind in own.kinds else catalog()


def _name_of(kind: type[Fault], family: FaultFamily, origin: str) -> str:
    """The name of a kind; InputError if the kind cannot be used."""
    of = f"of the family {family.name!r} of {origin}"
    if not (isinstance(kind, type) and issubclass(kind, Fault)):
        raise InputError(f"{kind!r} {of} is not a subclass of Fault")
    field = kind.model_fields.get("fault")
    names = get_args(field.annotation) if field is not None else ()
    if field is None or get_origin(field.annotation) is not Literal or names != (field.default,):
        raise InputError(
            f"{kind.__qualname__} {of} has no name",
            remedy='Add a field such as `fault: Literal["cut"] = "cut"`.',
        )
    if (said := getattr(kind, "family", None)) != family.name:
        raise InputError(
            f"{kind.__qualname__} {of} declares the family {said!r}",
            remedy=f'It must declare `family: ClassVar[str] = "{family.name}"`.',
        )
    if missing := sorted(kind.__abstractmethods__):
        raise InputError(f"{kind.__qualname__} {of} does not define {', '.join(missing)}")
    if taken := sorted(PLAN_KEYS & set(kind.model_fields)):
        raise InputError(
            f"{kind.__qualname__} {of} has a field {taken[0]!r}, which is reserved for plans",
            remedy="Give it another name.",
        )
    return str(field.default)
