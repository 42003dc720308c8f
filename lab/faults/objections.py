"""Why a fault is not possible in a lab: the field that is wrong, and what would be right."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from edge_lab.core.errors import InputError
from edge_lab.core.yamlmodel import did_you_mean


class Objection(NamedTuple):
    field: str
    """Of the fault; it gives a plan's message its line."""
    message: str
    remedy: str = ""


def unknown_name(field: str, name: str, known: Iterable[str]) -> Iterator[Objection]:
    """That nothing in the lab is called so, if that is the case."""
    names = tuple(known)
    if name not in names:
        yield Objection(
            field,
            f"there is no {field} {name!r}",
            f"{did_you_mean(name, names)}Available: {', '.join(names) or 'none'}.",
        )


def refused(field: str, ask: Callable[[], object]) -> Iterator[Objection]:
    """What `ask` objects to by an InputError, if it does."""
    try:
        ask()
    except InputError as trouble:
        yield Objection(field, trouble.message, trouble.remedy)
