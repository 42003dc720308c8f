"""Compares the events that crossed with those that were handled; pure functions.

owed        events that crossed, according to the source's journal
lost        owed, and not handled
duplicated  handled more than once
misrouted   handled by a function of another way
unknown     handled, and never crossed
wrong       handled with another step or value than crossed
unseen      crossings in the device's ground truth without exactly one event
untrue      events whose step or value is not in the ground truth
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from edge_lab.addons.functions.limits import Crossing
from edge_lab.addons.functions.records import Event, Handled


@dataclass(frozen=True)
class Count:
    """The result for one way on one node; tuples contain ids of events."""

    owed: int
    handled: int
    """The number of owed events that were handled at least once."""
    lost: tuple[str, ...] = ()
    duplicated: tuple[str, ...] = ()
    misrouted: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()


def compare(way: str, owed: Iterable[Event], handled: Iterable[Handled]) -> Count:
    """Compares the owed events of one way with the handled ones."""
    known = {event.id: event for event in owed if event.way == way}
    done = list(handled)
    ours = [record for record in done if record.id in known]
    times = Counter(record.id for record in ours)
    return Count(
        owed=len(known),
        handled=len(times),
        lost=tuple(id for id in known if not times[id]),
        duplicated=tuple(id for id, count in times.items() if count > 1),
        misrouted=tuple(record.id for record in ours if record.way != way),
        unknown=tuple(record.id for record in done if record.way == way and record.id not in known),
        wrong=tuple(
            record.id
            for record in ours
            if (record.seq, record.value) != (known[record.id].seq, known[record.id].value)
        ),
    )


def unseen(crossings: Iterable[Crossing], events: Sequence[Event]) -> tuple[Crossing, ...]:
    """The crossings of one limit of one device that do not have exactly one event."""
    return tuple(
        crossing
        for crossing in crossings
        if sum(crossing.first <= event.seq <= crossing.last for event in events) != 1
    )


def untrue(events: Iterable[Event], shown: Mapping[int, int]) -> tuple[str, ...]:
    """The events with a step that the device did not make, or with another value; `shown` has the
    value of each step."""
    return tuple(event.id for event in events if shown.get(event.seq) != event.value)
