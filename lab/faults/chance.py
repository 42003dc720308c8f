"""Random faults of a plan: drawn from its seed so that none conflicts with another one.

Times are multiples of a tenth of a second.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edge_lab.fabric.randomstream import RandomStream
from edge_lab.faults.fault import Fault
from edge_lab.faults.schedule import PROOF_S, Contradictions, Planned, Span, planned

APART_S = 2.0
"""Minimum time between two randomly placed faults that would disturb each other."""

TICK_S = 0.1
ATTEMPTS = 40
"""Maximum number of attempts to place the faults of a random block, each with shorter faults."""

THROWS = 20
"""Number of random times tried for one fault, before one right beside another fault is used."""


@dataclass(frozen=True)
class Chance:
    """`count` faults out of `choose`, each within a time window and with a random duration."""

    count: int
    between: Span
    """They begin no sooner than the first time and have ended by the second."""
    lasting: Span
    """Shortest and longest duration; ignored for momentary faults."""
    choose: Sequence[Fault]

    def draw(
        self, stream_of: StreamOf, fixed: Iterable[Planned], contradictions: Contradictions
    ) -> tuple[Planned, ...] | None:
        """Faults that conflict neither with `fixed` ones nor with each other; None if not found."""
        fixed = tuple(fixed)
        for attempt in range(ATTEMPTS):
            found = self._attempt(
                stream_of(str(attempt)), attempt / (ATTEMPTS - 1), fixed, contradictions
            )
            if found is not None:
                return found
        return None

    def _attempt(
        self,
        stream: RandomStream,
        haste: float,
        fixed: tuple[Planned, ...],
        contradictions: Contradictions,
    ) -> tuple[Planned, ...] | None:
        found: list[Planned] = []
        for _ in range(self.count):
            rest = list(self.choose)
            while rest:
                fault = rest.pop(int(stream.random() * len(rest)))
                shortest, longest = self.lasting
                longest -= haste * (longest - shortest)
                for_s: float | None = _ticks(shortest + stream.random() * (longest - shortest))
                for_s = None if fault.is_momentary else max(for_s or TICK_S, fault.least_s)
                seed = draw_seed(stream)
                item = self._placed(
                    stream, for_s, fault.seeded(seed), (*fixed, *found), contradictions
                )
                if item is not None:
                    found.append(item)
                    break
            else:
                return None
        return tuple(found)

    def _placed(
        self,
        stream: RandomStream,
        for_s: float | None,
        fault: Fault,
        others: Sequence[Planned],
        contradictions: Contradictions,
    ) -> Planned | None:
        """The fault at a free time: a random one, or one right beside another fault."""
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
            at = _ticks(first + stream.random() * (last - first))
            if is_free(at):
                return planned(at, for_s, fault)
        beside = {first, last}
        for _, span in apart:
            for room in (APART_S + TICK_S, PROOF_S + APART_S + TICK_S):
                beside |= {span[1] + room, span[0] - length - room}
        free = [at for at in sorted(map(_ticks, beside)) if is_free(at)]
        return planned(free[int(stream.random() * len(free))], for_s, fault) if free else None


class StreamOf:
    """Creates the random streams of one block: one for each attempt to place its faults."""

    def __init__(self, seed: int, *labels: str) -> None:
        self._seed, self._labels = seed, labels

    def __call__(self, label: str) -> RandomStream:
        return RandomStream(self._seed, *self._labels, label)


def draw_seed(stream: RandomStream) -> int:
    return int(stream.random() * 2**32)


def _ticks(seconds: float) -> float:
    """Rounded to a tenth of a second, with an exact decimal representation."""
    return round(round(seconds / TICK_S) * TICK_S, 1)
