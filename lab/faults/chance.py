"""Faults that are left to chance: drawn from a plan's seed so that none contradicts another one.

Chance works in steps of a tenth of a second.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edge_lab.fabric.dice import Dice
from edge_lab.faults.fault import Fault
from edge_lab.faults.schedule import PROOF_S, Contradictions, Planned, Span, planned

APART_S = 2.0
"""The least time between two randomly placed faults that would disturb each other."""

TICK_S = 0.1
ATTEMPTS = 40
"""So many ways to place the faults of a random block are tried, each with shorter faults."""

THROWS = 20
"""So many times are tried for one fault, before one right beside another fault is taken."""


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
                for_s = None if fault.is_momentary else max(for_s or TICK_S, fault.least_s)
                seed = draw_seed(dice)
                item = self._placed(
                    dice, for_s, fault.seeded(seed), (*fixed, *found), contradictions
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
