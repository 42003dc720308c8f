"""The expected outcome of a hostile attempt, as data: reached, or refused and by what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from edge_lab.addons.hostile.settings import CONTAINER_SETTINGS, Setting


@dataclass(frozen=True)
class Expected:
    """One outcome, and its permitted alternative."""

    reached: bool
    refusals: frozenset[str] = frozenset()
    """If it is refused: names of error numbers, or `HTTP 403`. Any other is a problem."""
    note: str = ""
    """The reason, where it is not obvious."""
    alternative: Expected | None = None

    def __str__(self) -> str:
        also = f" or {self.alternative}" if self.alternative else ""
        return ("reached" if self.reached else "/".join(sorted(self.refusals))) + also

    def __iter__(self) -> Iterator[Expected]:
        """This outcome and its alternatives."""
        outcome: Expected | None = self
        while outcome is not None:
            yield outcome
            outcome = outcome.alternative


def reached(note: str = "") -> Expected:
    """Nothing stops it."""
    return Expected(True, note=note)


def refused(*refusals: str, note: str = "") -> Expected:
    """Refused by one of these; at least one must be given."""
    if not refusals:
        raise ValueError(r"refused\(\) needs at least one error name or status")
    return Expected(False, frozenset(refusals), note)


def either(first: Expected, second: Expected, note: str = "") -> Expected:
    """Either outcome passes."""
    return replace(first, alternative=second, note=note or first.note)


@dataclass(frozen=True)
class Row:
    """An attempt, and its expected outcome in each setting."""

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
    """A row of the table, in the order of the container settings."""
    found = (runc, restricted, privileged, gvisor, gvisor_privileged)
    return Row(title, MappingProxyType(dict(zip(CONTAINER_SETTINGS, found, strict=True))))


def same(title: str, expected: Expected) -> Row:
    """A row with the same outcome in all settings."""
    return row(title, expected, expected, expected, expected, expected)


def by_runtime(title: str, runc: Expected, gvisor: Expected) -> Row:
    """A row whose outcome depends on the runtime only."""
    return row(title, runc, runc, runc, gvisor, gvisor)
