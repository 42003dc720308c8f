"""Stages that lose frames at random."""

from __future__ import annotations

from edge_lab.fabric.counters import Reason
from edge_lab.fabric.framebuffer import FrameBuffer, Run
from edge_lab.fabric.impairment import GilbertElliott
from edge_lab.fabric.randomstream import RandomStream
from edge_lab.fabric.stages.chances import Chosen, Gaps
from edge_lab.fabric.stages.flight import Filter, Tally


class Loss(Chosen, Filter):
    """Loses each frame with the same probability, independently."""

    name = "loss"

    def passing(self, buffer: FrameBuffer, runs: list[Run], tally: Tally) -> list[Run]:
        # What `parted` does, without a generator step for each run: loss is the impairment
        # that long floods of frames are tested with.
        survivors: list[Run] = []
        for start, stop in runs:
            at = start
            while stop - at > self._gap:
                lost = at + self._gap
                if lost > at:
                    survivors.append((at, lost))
                tally.drop(Reason.LOSS, 1)
                at = lost + 1
                self._gap = self._gaps.draw()
            if stop > at:
                survivors.append((at, stop))
                self._gap -= stop - at
        return survivors


class BurstLoss(Filter):
    """Loses frames by a Gilbert-Elliott model; it starts in the good state.

    A frame is subject to the current state, then the state may change.  The number of frames
    until a change has a geometric distribution, so it is drawn at each change, not at each
    frame.
    """

    name = "burst_loss"

    def __init__(
        self, model: GilbertElliott, stream: RandomStream, left: int | None = None
    ) -> None:
        self._model = model
        self._stream = stream
        self._stays = {False: Gaps(model.p, stream), True: Gaps(model.r, stream)}
        self._bad = left is not None and left < 0
        self._left = self._stays[False].draw() + 1 if not left else abs(left)

    def memory(self, now: int) -> int:
        """Frames until the state changes; negative in the bad state."""
        return -self._left if self._bad else self._left

    def passing(self, buffer: FrameBuffer, runs: list[Run], tally: Tally) -> list[Run]:
        survivors: list[Run] = []
        for start, stop in runs:
            at = start
            while at < stop:
                end = min(stop, at + self._left)
                kept = self._kept(at, end)
                survivors += kept
                tally.drop(Reason.LOSS, end - at - sum(until - since for since, until in kept))
                self._left -= end - at
                if not self._left:
                    self._bad = not self._bad
                    self._left = self._stays[self._bad].draw() + 1
                at = end
        return survivors

    def _kept(self, start: int, stop: int) -> list[Run]:
        """The runs that pass in the current state."""
        probability = self._model.bad if self._bad else self._model.good
        if probability in (0, 1):
            return [] if probability else [(start, stop)]
        return [
            (slot, slot + 1) for slot in range(start, stop) if self._stream.random() >= probability
        ]
