"""When which fault is in force: what may not be at the same time, and what is left to chance.

Times are seconds from the plan's start. Chance works in steps of a tenth of a second.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from edge_lab.core.durations import show_duration
from edge_lab.fabric.dice import Dice
from edge_lab.faults.kinds import (
    Cut,
    Drop,
    Fault,
    Flap,
    HalfOpen,
    Impair,
    Kill,
    OnDevice,
    Pause,
    PowerOff,
    Profile,
    Reboot,
)
from edge_lab.faults.probe import WireProbe
from edge_lab.topology import Link, Topology

PROOF_S = 10.0
"""Kept for an effect or a cure to be seen, undisturbed by other faults."""

KEPT_S: dict[type, float] = {Kill: 10.0, Reboot: 120.0}
"""Momentary faults, and what is kept for them to be over: nobody says when they end."""

APART_S = 2.0
"""Between two faults left to chance of which one would disturb the other."""

TICK_S = 0.1
ATTEMPTS = 40
"""So many ways to place the faults of a random block are tried, each with shorter faults."""

THROWS = 20
"""So many times are tried for one fault, before one right beside another fault is taken."""


@dataclass(frozen=True)
class Planned:
    """One fault with its time."""

    at_s: float
    for_s: float | None
    """None with momentary faults: they are over by themselves."""
    fault: Fault
    kept_s: float = 0.0
    """With momentary faults: what is kept for them to be over."""

    @property
    def ends_s(self) -> float:
        return self.at_s + (self.kept_s if self.for_s is None else self.for_s)

    @property
    def span(self) -> tuple[float, float]:
        return self.at_s, self.ends_s

    @property
    def times(self) -> tuple[str, str]:
        """When and for how long, to be read; the latter is empty with momentary faults."""
        return show_duration(self.at_s), "" if self.for_s is None else show_duration(self.for_s)

    def __str__(self) -> str:
        at, lasting = self.times
        return f"{self.fault.title} at {at}" + (f" for {lasting}" if lasting else "")


def is_momentary(fault: Fault) -> bool:
    return type(fault) in KEPT_S


def least_s(fault: Fault) -> float:
    """What it takes by itself: a link that flaps three times needs the time for that."""
    if isinstance(fault, Flap):
        return fault.period_s * fault.count * (1 + fault.jitter)
    return KEPT_S.get(type(fault), 0.0)


def planned(at_s: float, for_s: float | None, fault: Fault) -> Planned:
    """`for_s` of a momentary fault is what is kept for it; without it, the usual time is.

    Raises:
        ValueError: a fault that is not over by itself has no `for_s`.
    """
    if is_momentary(fault):
        return Planned(at_s, None, fault, least_s(fault) if for_s is None else for_s)
    if for_s is None:
        for_s = least_s(fault)
    if not for_s:
        raise ValueError(f"{fault.title} would last for ever")
    return Planned(at_s, for_s, fault)


def seeded(fault: Fault, seed: int) -> Fault:
    """The fault with that seed for what it leaves to chance, unless it names one itself."""
    if isinstance(fault, Flap) and fault.jitter and "seed" not in fault.model_fields_set:
        return fault.model_copy(update={"seed": seed})
    return fault


# -- what disturbs what ------------------------------------------------------------------------


@dataclass(frozen=True)
class Claims:
    """What a fault has to do with parts of the lab."""

    holds: frozenset[str]
    """No other fault may lay hold of these."""
    rests_on: frozenset[str] = frozenset()
    """These must be well for as long as it lasts."""
    seen_by: frozenset[str] = frozenset()
    """These must be well when it begins and when it ends, for both to be seen."""
    takes: frozenset[str] = frozenset()
    """These are not well while it lasts."""


def claims(fault: Fault, topology: Topology) -> Claims:
    """Raises InputError if nothing in that lab could see the fault."""
    if isinstance(fault, OnDevice):
        (link,) = topology.links_of(fault.device)
        return Claims(
            fault.targets,
            rests_on=frozenset({f"link {link.name}"}),
            seen_by=_way_to(link, topology),
            takes=frozenset({f"device {fault.device}"}),
        )
    if isinstance(fault, Cut | Drop | HalfOpen | Impair | Profile | Flap):
        link = topology.link(fault.link)
        # While one way is shut, nothing that is done to the other could be seen.
        shut = (
            isinstance(fault, Cut | Flap)
            or (isinstance(fault, Drop) and not fault.match)
            or (isinstance(fault, Impair) and fault.loss >= 1)
        )
        both_ways = frozenset(f"link {link.name} {way}" for way in ("tx", "rx"))
        pings_pass = isinstance(fault, HalfOpen) or (isinstance(fault, Drop) and fault.match)
        return Claims(
            both_ways if shut else fault.targets,
            rests_on=frozenset({_end(link, topology)}),
            seen_by=_way_to(link, topology),
            takes=frozenset() if pings_pass else frozenset({f"link {link.name}"}),
        )
    node = frozenset({f"node {fault.node}"})
    stands_still = isinstance(fault, PowerOff | Reboot | Pause)
    return Claims(fault.targets, rests_on=node, takes=node if stands_still else frozenset())


def _end(link: Link, topology: Topology) -> str:
    """The endpoint, with its kind."""
    of_node = link.endpoint in (node.name for node in topology.nodes)
    return f"{'node' if of_node else 'device'} {link.endpoint}"


def _way_to(link: Link, topology: Topology) -> frozenset[str]:
    """All that a probe over `link` crosses, but for the link itself."""
    probe = WireProbe.over(topology, link)
    crossed = [
        each
        for each in topology.links
        if each.network == link.network
        and (each.endpoint == probe.node or str(each.address) == probe.address)
    ]
    ends = {_end(each, topology) for each in crossed}
    return frozenset(ends | {f"link {each.name}" for each in crossed if each != link})


Span = tuple[float, float]


@dataclass(frozen=True)
class Relation:
    """Why two faults must be apart in time, in words; empty where they need not be."""

    at_once: str
    """For as long as either lasts."""
    seeing_one: str
    """When the one begins or ends while the other lasts."""
    seeing_other: str

    def __bool__(self) -> bool:
        return bool(self.at_once or self.seeing_one or self.seeing_other)

    def objection(self, one: Span, other: Span) -> str:
        """To the two being in force in these times; empty if there is none."""
        if self.at_once and _overlap(one, other):
            return self.at_once
        if self.seeing_one and any(_overlap(moment, other) for moment in _moments(one)):
            return self.seeing_one
        if self.seeing_other and any(_overlap(moment, one) for moment in _moments(other)):
            return self.seeing_other
        return ""


@dataclass
class Contradictions:
    """Tells which faults contradict each other in one lab."""

    topology: Topology
    _known: dict[Fault, Claims] = field(default_factory=dict)

    def claims(self, fault: Fault) -> Claims:
        if fault not in self._known:
            self._known[fault] = claims(fault, self.topology)
        return self._known[fault]

    def relation(self, one: Fault, other: Fault) -> Relation:
        mine, its = self.claims(one), self.claims(other)
        at_once = ""
        if shared := mine.holds & its.holds:
            at_once = f"both lay hold of {min(one.targets & other.targets or shared)}"
        elif taken := mine.takes & its.rests_on | its.takes & mine.rests_on:
            at_once = f"the other needs {min(taken)}"
        return Relation(
            at_once,
            _seen(one, mine.seen_by & its.takes),
            _seen(other, its.seen_by & mine.takes),
        )

    def between(self, one: Planned, other: Planned) -> str:
        """Why they contradict each other, in words; empty if they do not."""
        return self.relation(one.fault, other.fault).objection(one.span, other.span)

    def follows(self, one: Planned, other: Planned) -> bool:
        """Whether `one` must not begin before `other`, the earlier one, is healed."""
        return one.at_s >= other.ends_s and bool(self.relation(one.fault, other.fault))


def _seen(fault: Fault, taken: frozenset[str]) -> str:
    if not taken:
        return ""
    return f"{fault.title} is seen by way of {min(taken)}, when it begins and when it ends"


def _moments(span: Span) -> tuple[Span, Span]:
    return (span[0], span[0] + PROOF_S), (span[1], span[1] + PROOF_S)


def _overlap(one: Span, other: Span) -> bool:
    return one[0] < other[1] and other[0] < one[1]


# -- what is left to chance --------------------------------------------------------------------


@dataclass(frozen=True)
class Chance:
    """`count` faults out of `choose`, each between two points in time and for some time."""

    count: int
    between: Span
    """They begin no sooner than the first and are over by the second."""
    lasting: Span
    """The shortest and the longest; does not count for momentary faults."""
    choose: Sequence[Fault]

    def draw(
        self, dice_of: DiceOf, fixed: Iterable[Planned], contradictions: Contradictions
    ) -> tuple[Planned, ...] | None:
        """Faults that contradict neither `fixed` ones nor each other; None if none were found."""
        fixed = tuple(fixed)
        for attempt in range(ATTEMPTS):
            found = self._attempt(
                dice_of(str(attempt)), attempt / (ATTEMPTS - 1), fixed, contradictions
            )
            if found is not None:
                return found
        return None

    def _attempt(
        self, dice: Dice, haste: float, fixed: tuple[Planned, ...], contradictions: Contradictions
    ) -> tuple[Planned, ...] | None:
        found: list[Planned] = []
        for _ in range(self.count):
            rest = list(self.choose)
            while rest:
                fault = rest.pop(int(dice.random() * len(rest)))
                shortest, longest = self.lasting
                longest -= haste * (longest - shortest)
                for_s: float | None = _ticks(shortest + dice.random() * (longest - shortest))
                for_s = None if is_momentary(fault) else max(for_s or TICK_S, least_s(fault))
                seed = draw_seed(dice)
                item = self._placed(
                    dice, for_s, seeded(fault, seed), (*fixed, *found), contradictions
                )
                if item is not None:
                    found.append(item)
                    break
            else:
                return None
        return tuple(found)

    def _placed(
        self,
        dice: Dice,
        for_s: float | None,
        fault: Fault,
        others: Sequence[Planned],
        contradictions: Contradictions,
    ) -> Planned | None:
        """At a time that is free for it: any one, or one right beside another fault."""
        length = planned(0.0, for_s, fault).ends_s
        first, last = self.between[0], self.between[1] - length
        if last < first:
            return None

        apart = [
            (relation, other.span)
            for other in others
            if (relation := contradictions.relation(fault, other.fault))
        ]

        def is_free(at: float) -> bool:
            own, roomy = (at, at + length), (at - APART_S, at + length + APART_S)
            return first <= at <= last and not any(
                relation.objection(own, span) or relation.objection(roomy, span)
                for relation, span in apart
            )

        for _ in range(THROWS):
            at = _ticks(first + dice.random() * (last - first))
            if is_free(at):
                return planned(at, for_s, fault)
        beside = {first, last}
        for _, span in apart:
            for room in (APART_S + TICK_S, PROOF_S + APART_S + TICK_S):
                beside |= {span[1] + room, span[0] - length - room}
        free = [at for at in sorted(map(_ticks, beside)) if is_free(at)]
        return planned(free[int(dice.random() * len(free))], for_s, fault) if free else None


class DiceOf:
    """Makes the generators of one random block: one for each attempt to place its faults."""

    def __init__(self, seed: int, *labels: str) -> None:
        self._seed, self._labels = seed, labels

    def __call__(self, label: str) -> Dice:
        return Dice(self._seed, *self._labels, label)


def draw_seed(dice: Dice) -> int:
    return int(dice.random() * 2**32)


def _ticks(seconds: float) -> float:
    """The nearest tick: a tenth of a second, as a number that reads as one."""
    return round(round(seconds / TICK_S) * TICK_S, 1)


def in_order(items: Iterable[Planned]) -> tuple[Planned, ...]:
    """By the time they begin; those of one time as they came."""
    return tuple(sorted(items, key=lambda item: item.at_s))
