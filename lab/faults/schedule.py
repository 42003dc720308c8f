"""The schedule of a plan: when each fault is active, and which faults conflict.

Times are seconds from the plan's start.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from edge_lab.core.durations import show_duration
from edge_lab.faults.claims import Claims
from edge_lab.faults.fault import Fault
from edge_lab.topology import Topology

PROOF_S = 10.0
"""Seconds reserved for an effect or a recovery to be seen, undisturbed by other faults."""


@dataclass(frozen=True)
class Planned:
    """One fault with its time."""

    at_s: float
    for_s: float | None
    """None for momentary faults: they end by themselves."""
    fault: Fault
    reserved_s: float = 0.0
    """For momentary faults: the seconds reserved for them."""

    @property
    def ends_s(self) -> float:
        return self.at_s + (self.reserved_s if self.for_s is None else self.for_s)

    @property
    def span(self) -> tuple[float, float]:
        return self.at_s, self.ends_s

    @property
    def times(self) -> tuple[str, str]:
        """When and for how long, formatted; the latter is empty for momentary faults."""
        return show_duration(self.at_s), "" if self.for_s is None else show_duration(self.for_s)

    def __str__(self) -> str:
        at, lasting = self.times
        return f"{self.fault.title} at {at}" + (f" for {lasting}" if lasting else "")


def planned(at_s: float, for_s: float | None, fault: Fault) -> Planned:
    """`for_s` of a momentary fault is the reserved time; the default is the fault's own.

    Raises:
        ValueError: a fault that does not end by itself has no `for_s`.
    """
    if fault.is_momentary:
        return Planned(at_s, None, fault, fault.least_s if for_s is None else for_s)
    if for_s is None:
        for_s = fault.least_s
    if not for_s:
        raise ValueError(f"{fault.title} would never end")
    return Planned(at_s, for_s, fault)


Span = tuple[float, float]


@dataclass(frozen=True)
class Relation:
    """Why two faults must not overlap, in words; empty where they may."""

    at_once: str
    """Why not while both last."""
    seeing_one: str
    """Why the one must not begin or end while the other lasts."""
    seeing_other: str

    def __bool__(self) -> bool:
        return bool(self.at_once or self.seeing_one or self.seeing_other)

    def objection(self, span: Span, other: Span) -> str:
        """Why the two must not be active at these times; empty if they may."""
        if self.at_once and _overlap(span, other):
            return self.at_once
        if self.seeing_one and any(_overlap(moment, other) for moment in _moments(span)):
            return self.seeing_one
        if self.seeing_other and any(_overlap(moment, span) for moment in _moments(other)):
            return self.seeing_other
        return ""


@dataclass
class Contradictions:
    """Finds which faults conflict with each other in one lab."""

    topology: Topology
    _known: dict[Fault, Claims] = field(default_factory=dict)

    def claims(self, fault: Fault) -> Claims:
        if fault not in self._known:
            self._known[fault] = fault.claims(self.topology)
        return self._known[fault]

    def relation(self, fault: Fault, other: Fault) -> Relation:
        mine, its = self.claims(fault), self.claims(other)
        at_once = ""
        if shared := mine.locks & its.locks:
            at_once = f"both lock {min(fault.targets & other.targets or shared)}"
        elif taken := mine.disables & its.needs | its.disables & mine.needs:
            at_once = f"the other needs {min(taken)}"
        return Relation(
            at_once,
            _seen(fault, mine.observed_through & its.disables),
            _seen(other, its.observed_through & mine.disables),
        )

    def between(self, planned: Planned, other: Planned) -> str:
        """Why they conflict, in words; empty if they do not."""
        return self.relation(planned.fault, other.fault).objection(planned.span, other.span)

    def follows(self, planned: Planned, other: Planned) -> bool:
        """Whether `planned` must wait until `other`, which is earlier, is healed."""
        return planned.at_s >= other.ends_s and bool(self.relation(planned.fault, other.fault))


def _seen(fault: Fault, taken: frozenset[str]) -> str:
    if not taken:
        return ""
    return f"{fault.title} is observed through {min(taken)} when it begins and when it ends"


def _moments(span: Span) -> tuple[Span, Span]:
    return (span[0], span[0] + PROOF_S), (span[1], span[1] + PROOF_S)


def _overlap(span: Span, other: Span) -> bool:
    return span[0] < other[1] and other[0] < span[1]


def in_order(items: Iterable[Planned]) -> tuple[Planned, ...]:
    """Sorted by start time; stable for equal times."""
    return tuple(sorted(items, key=lambda planned: planned.at_s))
