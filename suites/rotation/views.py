"""What a recording says of a node around a fault."""

from __future__ import annotations

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
    """For how long, from `since` (ns) on, the API server did not show the node as Ready."""
    span = Span(since, recording.ended)
    views = _views(recording, node)
    parts = (view.span.within(span) for view in views if view.value != READY)
    return sum(part.seconds for part in parts if part is not None)


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
