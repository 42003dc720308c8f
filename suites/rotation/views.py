"""Figures of a node around a fault, from a recording."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from edge_lab.evidence.recording import Recording
from edge_lab.faults.fault import Fault
from edge_lab.faults.records import FaultRecord
from edge_lab.oracles.spans import Held, Span, held

READY = "True"


def record_of(recording: Recording, fault: Fault) -> FaultRecord:
    """The one record of `fault`, with all of its times."""
    (found,) = (record for record in recording.faults if record.fault == fault)
    return found


def unready_seconds(recording: Recording, node: str, since: int) -> float:
    """Seconds since `since` (ns) in which the API server did not show the node as Ready."""
    return unready_seconds_in(recording, node, Span(since, recording.ended))


def unready_seconds_in(recording: Recording, node: str, span: Span) -> float:
    """Like `unready_seconds`, within that time only."""
    views = _views(recording, node)
    parts = (view.span.within(span) for view in views if view.value != READY)
    return sum(part.seconds for part in parts if part is not None)


def longest_silence(recording: Recording, node: str, span: Span) -> float | None:
    """The longest time without arriving samples of the node, seconds; None if none arrived at
    all."""
    arrived = sorted(
        {
            sample.received
            for samples in recording.samples
            if samples.node == node
            for sample in samples.collected
            if (sample.node, sample.device) == (node, samples.device)
            and span.start <= sample.received <= span.end
        }
    )
    if not arrived:
        return None
    return max(Span(*gap).seconds for gap in pairwise([span.start, *arrived, span.end]))


def may_be_away(times: Mapping[str, float], node: str, server: str, *, in_turn: bool) -> float:
    """Seconds for which a node may be out of reach at a stage, by those that each node took, in
    their order: while it and the server were started anew. `in_turn` where the cloud side trusts
    one authority alone: then also while the nodes before it had their turns."""
    if not in_turn:
        return times[node] + times[server]
    order = list(times)
    return sum(times[turn] for turn in order[: order.index(node) + 1])


def ready_at(recording: Recording, node: str, time: int) -> bool:
    """Whether the API server showed the node as Ready at that moment, ns."""
    views = [view for view in _views(recording, node) if view.span.start <= time]
    return bool(views) and views[-1].value == READY


def ready_after(recording: Recording, node: str, time: int) -> float | None:
    """Seconds from `time` (ns) until the node was shown as Ready; None if it never was."""
    for view in _views(recording, node):
        if view.value == READY and view.span.end > time:
            return Span(time, view.span.start).seconds
    return None


def _views(recording: Recording, node: str) -> tuple[Held[str], ...]:
    seen = ((view.time, view.ready) for view in recording.node_seen if view.node == node)
    return held(seen, recording.ended)
