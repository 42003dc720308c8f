"""The stages of one direction of a link.

A stage takes flights and returns flights: it may drop frames, split a flight, change its
due time, or add frames to it.  The forwarding loop knows flights and not stages, so a new
impairment is a new stage in `build` and a field in `Impairment`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from edge_lab.fabric.counters import Reason
from edge_lab.fabric.randomstream import RandomStream
from edge_lab.fabric.snapshots import Memory
from edge_lab.fabric.stages.copies import Clipboard, Corrupt, Duplicate
from edge_lab.fabric.stages.flight import TICK_NS, Flight, Stage, Tally
from edge_lab.fabric.stages.gates import Closed, Flap, Gate, HalfOpen, Mtu, Selective
from edge_lab.fabric.stages.losses import BurstLoss, Loss
from edge_lab.fabric.stages.timing import Delay, Jitter, Rate, Reorder
from edge_lab.fabric.state import DirectionState, Mode

__all__ = ["TICK_NS", "Clipboard", "Flight", "Gate", "Rate", "Stage", "Tally", "build"]


def build(
    state: DirectionState,
    stream: Callable[[str], RandomStream],
    memory: Mapping[str, Memory],
    clipboard: Clipboard,
    now: int,
) -> list[Stage]:
    """The stages for `state`, in the order in which frames pass them; the gate is first.

    `stream` returns the random stream of a stage's name, so that one impairment does not
    change the random numbers of another; `memory` is the saved state of stages by name, to be
    restored at `now` (ns).
    """
    if state.is_closed:
        return [Closed(Reason.CUT if state.mode is Mode.CUT else Reason.DROP)]
    stages: list[Stage] = []
    if state.match is not None:
        stages.append(Selective(state.match))
    if state.mode is Mode.HALF_OPEN:
        stages.append(HalfOpen(_words(memory, HalfOpen.name)))
    if state.flap is not None:
        stages.append(Flap(state.flap, now - (_number(memory, Flap.name) or 0)))
    if state.mtu is not None:
        stages.append(Mtu(state.mtu))
    if state.loss:
        stages.append(Loss(state.loss, stream(Loss.name), _number(memory, Loss.name)))
    if state.burst_loss is not None:
        name = BurstLoss.name
        stages.append(BurstLoss(state.burst_loss, stream(name), _number(memory, name)))
    if state.duplicate:
        name = Duplicate.name
        stages.append(Duplicate(state.duplicate, stream(name), _number(memory, name)))
    if state.rate_kbit is not None:
        debt = _number(memory, Rate.name) or 0
        stages.append(Rate(state.rate_kbit, state.burst_bytes, state.queue_frames, now + debt))
    way: Delay | Jitter | None = None
    if state.jitter_ms:
        way = Jitter(state.delay_ms, state.jitter_ms, state.distribution, stream(Jitter.name))
    elif state.delay_ms:
        way = Delay(state.delay_ms)
    if way is not None and state.reorder:
        name = Reorder.name
        stages.append(Reorder(state.reorder, stream(name), _number(memory, name), way))
    elif way is not None:
        stages.append(way)
    if state.corrupt:  # last: its copies are no longer dropped or split
        name = Corrupt.name
        stages.append(Corrupt(state.corrupt, stream(name), _number(memory, name), clipboard))
    return stages


def _number(memory: Mapping[str, Memory], stage: str) -> int | None:
    kept = memory.get(stage)
    return kept if isinstance(kept, int) else None


def _words(memory: Mapping[str, Memory], stage: str) -> tuple[str, ...]:
    kept = memory.get(stage)
    return kept if isinstance(kept, tuple) else ()
