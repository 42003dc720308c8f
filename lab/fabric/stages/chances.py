"""Random selection of frames, each independently with the same probability."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from edge_lab.fabric.framebuffer import Run
from edge_lab.fabric.randomstream import RandomStream

_NEVER = 2.0**62


class Gaps:
    """The number of frames before the next selected one (a geometric distribution).

    A random number is drawn for each selected frame, not for each frame.
    """

    __slots__ = ("_log_pass", "_stream")

    def __init__(self, probability: float, stream: RandomStream) -> None:
        self._log_pass = -math.inf if probability >= 1 else math.log1p(-probability)
        self._stream = stream

    def draw(self) -> int:
        return int(min(math.log1p(-self._stream.random()) / self._log_pass, _NEVER))


class Chosen:
    """A stage, or a part of one, that selects frames."""

    name: str

    def __init__(self, probability: float, stream: RandomStream, gap: int | None = None) -> None:
        self._gaps = Gaps(probability, stream)
        self._gap = self._gaps.draw() if gap is None else gap

    def memory(self, now: int) -> int:
        """Frames still to be skipped before the next selected one."""
        return self._gap

    def parted(self, runs: Iterable[Run]) -> Iterator[tuple[Run, bool]]:
        """`runs` in order, split into selected frames, one by one, and all others."""
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
