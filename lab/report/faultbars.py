"""Faults of a timeline: a bar and a label each, in lanes without overlaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge_lab.faults.records import FaultRecord
from edge_lab.oracles.spans import Span
from edge_lab.report.canvas import Axis, shortened, text_width

FAULT, FAULT_LIGHT = "#9b2c2c", "#e9b8b8"
FAULT_TEXT = 10.5
"""Font size."""


@dataclass(frozen=True)
class FaultBar:
    record: FaultRecord
    parts: tuple[tuple[Span, str], ...]
    left: float
    right: float
    label: str
    place: str
    """inside, right or left."""
    text_x: float
    begins: float
    ends: float
    """Extent of bar and label together."""
    hint: str


def lanes_of(faults: Sequence[FaultRecord], axis: Axis) -> list[list[FaultBar]]:
    """Assigns lanes so that no bar or label overlaps another in its lane."""
    lanes: list[list[FaultBar]] = []
    for record in faults:
        bar = _fault_bar(record, axis)
        for lane in lanes:
            if all(bar.begins > other.ends + 8 or bar.ends < other.begins - 8 for other in lane):
                lane.append(bar)
                break
        else:
            lanes.append([bar])
    return lanes


def active_span(record: FaultRecord, axis: Axis) -> Span:
    end = axis.span.end if record.healed is None else record.healed
    return Span(record.began, max(record.began, end))


def _fault_bar(record: FaultRecord, axis: Axis) -> FaultBar:
    """With its label where there is room: in the bar, to its right, or to its left."""
    whole = active_span(record, axis)
    seen = whole.end if record.seen is None else max(whole.start, min(record.seen, whole.end))
    heal = whole.end if record.heal_began is None else max(seen, min(record.heal_began, whole.end))
    solid = Span(seen, heal)
    parts = (
        (Span(whole.start, seen), FAULT_LIGHT),
        (solid, FAULT),
        (Span(heal, whole.end), FAULT_LIGHT),
    )
    left, right = axis.x(whole.start), axis.x(whole.end)
    label = f"{record.id}  {record.fault.title}"
    label += " – never seen" if record.seen is None else ""
    label += " – not healed" if record.healed is None else ""
    places = (
        (axis.width(solid) - 12, "inside"),
        (axis.right - right - 6, "right"),
        (left - axis.left - 6, "left"),
    )
    width = text_width(label, FAULT_TEXT)
    room, place = next((candidate for candidate in places if candidate[0] >= width), max(places))
    times = (("requested", record.began), ("seen", record.seen), ("healed", record.healed))
    told = [f"{what} {axis.seconds(time):+.1f} s" for what, time in times if time is not None]
    hint = "\n".join((label, ", ".join(told), record.proof, record.cure)).strip()
    shown = shortened(label, room, FAULT_TEXT)
    at = {"inside": axis.x(seen) + 6, "right": right + 6, "left": left - 6}[place]
    begins = at - text_width(shown, FAULT_TEXT) if place == "left" else at
    return FaultBar(
        record=record,
        parts=tuple((span, fill) for span, fill in parts if span.start < span.end),
        left=left,
        right=right,
        label=shown,
        place=place,
        text_x=at,
        begins=min(left, begins),
        ends=max(right, begins + text_width(shown, FAULT_TEXT)),
        hint=hint,
    )
