"""Frames that are chosen by chance, each with the same probability and on its own."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from edge_lab.fabric.arena import Run
from edge_lab.fabric.dice import Dice

_NEVER = 2.0**62


class Gaps:
    """How many frames are passed over until the next one is chosen (a geometric law).

    The dice are thrown once for each frame that is chosen and not for each frame.
    """

    __slots__ = ("_dice", "_log_pass")

    def __init__(self, probability: float, dice: Dice) -> None:
        self._log_pass = -math.inf if probability >= 1 else math.log1p(-probability)
        self._dice = dice

    def draw(self) -> int:
        return int(min(math.log1p(-self._dice.random()) / self._log_pass, _NEVER))


class Chosen:
    """A stage, or the part of one, that chooses frames."""

    name: str

    def __init__(self, probability: float, dice: Dice, gap: int | None = None) -> None:
        self._gaps = Gaps(probability, dice)
        self._gap = self._gaps.draw() if gap is None else gap

    def memory(self, now: int) -> int:
        """Frames that are still passed over before the next one is chosen."""
        return self._gap

    def parted(self, runs: Iterable[Run]) -> Iterator[tuple[Run, bool]]:
        """`runs` in order, parted into frames that are chosen, one by one, and all others."""
        for start, stop in runs:
            at = start
            while stop - at > self._gap:
                chosen = at + self._gap
                if chosen > at:
                    yield (at, chosen), False
                yield (chosen, chosen + 1), True
                at = chosen + 1
                self._gap = self._gaps.draw()
            if stop > at:
                self._gap -= stop - at
                yield (at, stop), False
