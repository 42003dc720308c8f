"""Why a fault is not possible in a lab: the wrong field, and the remedy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from edge_lab.core.errors import InputError
from edge_lab.core.yamlmodel import did_you_mean
from edge_lab.topology import Ability, Topology, why_unable

_INABILITY_REMEDY = "docs/real-hardware.md says what external nodes can do."


class Objection(NamedTuple):
    field: str
    """The field of the fault, from which the error message of a plan gets its line."""
    message: str
    remedy: str = ""
    is_lack: bool = False
    """Whether it is the node's machine that cannot do it: for a test, a reason to be skipped."""


def unknown_name(field: str, name: str, known: Iterable[str]) -> Iterator[Objection]:
    """The objection that nothing in the lab has that name, if so."""
    names = tuple(known)
    if name not in names:
        yield Objection(
            field,
            f"there is no {field} {name!r}",
            f"{did_you_mean(name, names)}Available: {', '.join(names) or 'none'}.",
        )


def inability(field: str, topology: Topology, name: str, ability: Ability) -> Iterator[Objection]:
    """The objection that the machine of that node cannot do it, if so."""
    for node in topology.nodes:
        if node.name == name and (why := why_unable(node, ability)):
            yield Objection(field, why, _INABILITY_REMEDY, is_lack=True)


def refused(field: str, ask: Callable[[], object]) -> Iterator[Objection]:
    """The InputError that `ask` raises, if any, as an objection."""
    try:
        ask()
    except InputError as trouble:
        yield Objection(field, trouble.message, trouble.remedy)
