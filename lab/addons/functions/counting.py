"""What functions did against what they owed, event by event; pure functions.

owed        events that crossed, by the source's journal
lost        owed, and handled by nobody
duplicated  handled more than once
misrouted   handled by a function of another way
unknown     handled, and never crossed
wrong       handled with another step or value than crossed
unseen      crossings in the device's ground truth of which there is no event
untrue      events whose step or value the ground truth does not have
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from edge_lab.addons.functions.limits import Crossing
from edge_lab.addons.functions.records import Event, Handled


@dataclass(frozen=True)
class Count:
    """Of one way on one node; ids."""

    owed: int
    handled: int
    """Different ones among those owed."""
    lost: tuple[str, ...] = ()
    duplicated: tuple[str, ...] = ()
    misrouted: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()


def compare(way: str, owed: Iterable[Event], handled: Iterable[Handled]) -> Count:
    """What of the events of one way was handled, and by whom."""
    known = {event.id: event for event in owed if event.way == way}
    done = list(handled)
    ours = [one for one in done if one.id in known]
    times = Counter(one.id for one in ours)
    return Count(
        owed=len(known),
        handled=len(times),
        lost=tuple(id for id in known if not times[id]),
        duplicated=tuple(id for id, count in times.items() if count > 1),
        misrouted=tuple(one.id for one in ours if one.way != way),
        unknown=tuple(one.id for one in done if one.way == way and one.id not in known),
        wrong=tuple(
            one.id
            for one in ours
            if (one.seq, one.value) != (known[one.id].seq, known[one.id].value)
        ),
    )


def unseen(crossings: Iterable[Crossing], events: Sequence[Event]) -> tuple[Crossing, ...]:
    """The crossings of one limit of one device that no event tells of, or more than one."""
    return tuple(
        crossing
        for crossing in crossings
        if sum(crossing.first <= event.seq <= crossing.last for event in events) != 1
    )


def untrue(events: Iterable[Event], shown: Mapping[int, int]) -> tuple[str, ...]:
    """The events that tell of a step that the device has not made, or of another value; `shown` is
    the value of each step."""
    return tuple(event.id for event in events if shown.get(event.seq) != event.value)
