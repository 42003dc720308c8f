"""What is expected of a hostile attempt, as data: reached, or turned away and by what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from edge_lab.addons.hostile.settings import CONTAINER_SETTINGS, Setting


@dataclass(frozen=True)
class Expected:
    """One outcome, and what else may be as well."""

    reached: bool
    refusals: frozenset[str] = frozenset()
    """Of one that is turned away: names of error numbers, or `HTTP 403`. Any other is a finding."""
    note: str = ""
    """Why it is so, where that is not obvious."""
    alternative: Expected | None = None

    def __str__(self) -> str:
        also = f" or {self.alternative}" if self.alternative else ""
        return ("reached" if self.reached else "/".join(sorted(self.refusals))) + also

    def __iter__(self) -> Iterator[Expected]:
        """This one and its alternatives."""
        one: Expected | None = self
        while one is not None:
            yield one
            one = one.alternative


def reached(note: str = "") -> Expected:
    """Nothing stops it."""
    return Expected(True, note=note)


def turned_away(*refusals: str, note: str = "") -> Expected:
    """By one of these, at least one of which must be named."""
    if not refusals:
        raise ValueError("turned away by what?")
    return Expected(False, frozenset(refusals), note)


def either(first: Expected, second: Expected, note: str = "") -> Expected:
    """Passes by one or the other."""
    return replace(first, alternative=second, note=note or first.note)


@dataclass(frozen=True)
class Row:
    """What an attempt is, and what comes of it in each setting."""

    title: str
    expects: Mapping[Setting, Expected] = field(default_factory=lambda: MappingProxyType({}))


def row(
    title: str,
    runc: Expected,
    restricted: Expected,
    privileged: Expected,
    gvisor: Expected,
    gvisor_privileged: Expected,
) -> Row:
    """A row of the table, in the order of the settings of containers."""
    found = (runc, restricted, privileged, gvisor, gvisor_privileged)
    return Row(title, MappingProxyType(dict(zip(CONTAINER_SETTINGS, found, strict=True))))


def same(title: str, expected: Expected) -> Row:
    """A row whose outcome no setting changes."""
    return row(title, expected, expected, expected, expected, expected)


def by_runtime(title: str, runc: Expected, gvisor: Expected) -> Row:
    """A row for which it is the runtime that counts, and nothing else."""
    return row(title, runc, runc, runc, gvisor, gvisor)
