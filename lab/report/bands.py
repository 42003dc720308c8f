"""The band of a node in a timeline: rows of coloured pieces, and the waiting samples."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edge_lab.addons.workload import NAMESPACE
from edge_lab.evidence.recording import Recording
from edge_lab.oracles.podview import is_up
from edge_lab.oracles.sightings import InSight, sightings
from edge_lab.oracles.spans import Held, Span, held, value_before

GOOD, BAD, UNSURE = "#9fd3b4", "#c53030", "#f0b429"
ABSENT, SILENT, NOT_KNOWN = "#7b4bb7", "#39424e", "#e9edf1"
READY = {"True": GOOD, "False": BAD, "Unknown": UNSURE, "Absent": ABSENT}

MOST_PODS = 10
"""Maximum pods of a node; those that were down come first."""


MOST_CHARTS = 6
"""Maximum charts of a node, from watchers of suites and add-ons."""


@dataclass(frozen=True)
class Chart:
    """Numbers over time."""

    label: str
    points: Sequence[tuple[int, float]]


@dataclass(frozen=True)
class Piece:
    """A stretch of a row in one colour."""

    span: Span
    fill: str
    label: str


class Band:
    """All rows of one node, as pieces."""

    def __init__(self, recording: Recording, node: str) -> None:
        self.node = node
        self.ready = [
            Piece(period.span, READY.get(period.value, ABSENT), period.value)
            for period in held(
                [(seen.time, seen.ready) for seen in recording.node_seen if seen.node == node],
                recording.ended,
            )
        ]
        answered = [seen for seen in recording.answered if seen.node == node]
        self.answers = answers([(seen.time, seen.answered) for seen in answered], recording.ended)
        boots = held([(seen.time, seen.boot) for seen in answered if seen.boot], recording.ended)
        self.boots = [period.span.start for period in boots[1:]]
        start = min((fault.began for fault in recording.faults), default=recording.began)
        pods = [
            _pod_row(name.name if name.namespace == NAMESPACE else str(name), states, start)
            for name, states in sightings(recording, node).items()
        ]
        pods.sort(key=lambda pod: all(piece.fill == GOOD for piece in pod[1]))
        self.pods = pods[:MOST_PODS]
        left = len(pods) - len(self.pods)
        self.more_pods = f"and {left} pods more" if left else ""
        self.waiting = sorted(
            (seen.time, seen.waiting) for seen in recording.waiting_seen if seen.node == node
        )
        charts = _charts(recording, node)
        self.charts = charts[:MOST_CHARTS]
        left = len(charts) - len(self.charts)
        self.more_charts = f"and {left} charts more" if left else ""


def _charts(recording: Recording, node: str) -> list[Chart]:
    """Numeric observations of watchers on the node, a chart for each kind and subject."""
    points: dict[str, list[tuple[int, float]]] = {}
    for seen in recording.observed:
        number = seen.number
        if getattr(seen, "node", None) != node or number is None or not math.isfinite(number):
            continue
        rest = [part for part in seen.subject if part != node]
        label = " ".join([seen.kind.replace("_", " "), *rest])
        points.setdefault(label, []).append((seen.time, number))
    return [Chart(label, sorted(found)) for label, found in points.items()]


def answers(changes: Iterable[tuple[int, bool]], until: int) -> list[Piece]:
    """The row of a subject that answers or is silent."""
    return [
        Piece(period.span, GOOD if period.value else SILENT, "" if period.value else "silent")
        for period in held(changes, until)
    ]


def _pod_row(
    name: str, states: Sequence[Held[InSight]], start: int
) -> tuple[str, list[Piece], list[int]]:
    before = value_before(states, start) or ()
    seen = [run for state in states for run in state.value or ()]
    expected = max((len(run.containers) for run in before or seen), default=1)
    pieces = [_pod_piece(state, expected) for state in states]
    known: set[str] = set()
    replaced: list[int] = []
    for state in states:
        ids = {container for run in state.value or () for container in run.containers}
        if known and ids - known:
            replaced.append(state.span.start)
        known |= ids
    return name, _joined(pieces), replaced


def _pod_piece(state: Held[InSight], expected: int) -> Piece:
    if state.value is None:
        return Piece(state.span, SILENT, "unknown")
    if len(state.value) > 1:
        return Piece(state.span, UNSURE, f"{len(state.value)} at once")
    up = is_up(state.value, expected)
    return Piece(state.span, GOOD if up else BAD, "" if up else "down")


def _joined(pieces: Iterable[Piece]) -> list[Piece]:
    found: list[Piece] = []
    for piece in pieces:
        if found and (found[-1].fill, found[-1].label) == (piece.fill, piece.label):
            found[-1] = Piece(Span(found[-1].span.start, piece.span.end), piece.fill, piece.label)
        else:
            found.append(piece)
    return found
