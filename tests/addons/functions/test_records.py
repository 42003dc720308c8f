"""The logs of a node as data, and what they are compared by."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_lab.addons.functions.counting import compare, unseen, untrue
from edge_lab.addons.functions.limits import Crossing, Limit
from edge_lab.addons.functions.records import (
    Event,
    Handled,
    parse_activations,
    parse_events,
    parse_first_reads,
    parse_records,
)
from edge_lab.core.errors import LabError
from tests.budget import examples

LIMIT = Limit("temperature", above=705, again_below=695)


def text(*lines: dict[str, Any]) -> str:
    return "".join(json.dumps(line) + "\n" for line in lines)


def crossed(seq: int, way: str = "warm") -> dict[str, Any]:
    about: dict[str, Any] = {
        "id": f"n.boiler.temperature.{seq}",
        "node": "n",
        "way": way,
        "device": "boiler",
    }
    about |= {"point": "temperature", "seq": seq, "value": 706, "read": 1000 + seq}
    return {"what": "crossed", "time": 1000 + seq, "event": about}


def stored(seq: int) -> dict[str, Any]:
    return {"what": "stored", "time": 2000 + seq, "id": f"n.boiler.temperature.{seq}"}


def test_events_are_those_that_crossed_with_when_they_were_stored() -> None:
    looks = {"what": "looks", "time": 1}
    rearmed = {"what": "rearmed", "time": 2, "limit": "boiler.temperature"}
    first, second = parse_events(text(looks, crossed(1), stored(1), rearmed, crossed(9)))
    assert (first.seq, first.stored) == (1, 2001)
    assert (second.seq, second.stored) == (9, None)


def test_first_reads_are_those_of_one_device() -> None:
    reads = [{"what": "reads", "time": time, "device": "boiler"} for time in (3, 7)]
    other = {"what": "reads", "time": 5, "device": "press"}
    looks = {"what": "looks", "time": 1}
    journal = text(looks, reads[0], crossed(1), other, stored(1), looks, reads[1])
    assert parse_first_reads(journal, "boiler") == (3, 7)
    assert [event.seq for event in parse_events(journal)] == [1]


def test_an_event_that_is_stored_again_was_stored_the_first_time() -> None:
    again = {**stored(1), "time": 9999}
    (event,) = parse_events(text(crossed(1), stored(1), again))
    assert event.stored == 2001


def test_what_is_torn_or_reserved_is_passed_over() -> None:
    torn = text(crossed(1)) + '{"what": "cro' + "\0" * 8 + "\n" + text(crossed(2)) + "\0" * 512
    assert [event.seq for event in parse_events(torn)] == [1, 2]


@pytest.mark.parametrize(
    ("parse", "line"),
    [
        (parse_events, {"what": "stored", "time": 1, "id": "never crossed"}),
        (parse_events, {"what": "crossed", "time": 1, "event": {"id": "x"}}),
        (parse_events, [1]),
        (parse_records, {"what": "handled", "way": "warm", "process": 1}),
        (parse_activations, {"what": "dreamt", "way": "pod", "time": 1}),
    ],
)
def test_a_line_that_is_whole_and_not_its_own_is_refused(
    parse: Callable[[str], object], line: Any
) -> None:
    with pytest.raises(LabError, match="line 1"):
        parse(json.dumps(line) + "\n")


def test_an_event_is_handled_by_the_process_that_began_last() -> None:
    """Of a pod, each process has the number 1."""
    began = {"what": "began", "way": "pod", "process": 1}
    done = {"what": "handled", "way": "pod", "process": 1, "id": "a", "seq": 4, "value": 706}
    done |= {"delivered": 30, "time": 40, "attempt": 1}
    again = {**done, "what": "repeated"}
    records = parse_records(
        text(
            *({**began, "time": 10}, done, {**began, "time": 50}, again),
            {**done, "id": "b", "time": 60},
        )
    )
    assert [(one.id, one.began) for one in records.handled] == [("a", 10), ("b", 50)]
    assert records.repeated == ("a",)
    assert records.began == (("pod", 10), ("pod", 50))


def test_activations_say_what_woke_whom() -> None:
    woke = {"what": "woke", "way": "pod", "time": 5, "why": "event"}
    slept = {"what": "slept", "way": "pod", "time": 9}
    first, second = parse_activations(text(woke, slept))
    assert (first.awake, first.why, second.awake) == (True, "event", False)


# -- crossings ------------------------------------------------------------------------------------


def test_a_limit_is_crossed_once_until_the_value_was_below_again() -> None:
    values = [690, 706, 710, 700, 706, 690, 691, 706]
    found = LIMIT.crossings(enumerate(values, start=1))
    assert found == (Crossing(1, 2, 5), Crossing(6, 8, 8))


def test_a_value_that_is_over_from_the_beginning_has_not_crossed() -> None:
    assert LIMIT.crossings(enumerate([706, 706, 690, 706])) == (Crossing(2, 3, 3),)


@settings(max_examples=examples(100))
@given(st.lists(st.integers(680, 720)))
def test_crossings_and_rearmings_take_turns(values: list[int]) -> None:
    found = LIMIT.crossings(enumerate(values))
    for crossing in found:
        assert values[crossing.rearmed] < LIMIT.again_below
        assert values[crossing.first] > LIMIT.above
        assert crossing.rearmed < crossing.first <= crossing.last
    for before, after in itertools.pairwise(found):
        assert before.last < after.rearmed


def event(seq: int, way: str = "warm", value: int = 706) -> Event:
    return Event(f"e{seq}", way, "boiler", "temperature", seq, value, 1000)


def handled(seq: int, way: str = "warm", value: int = 706) -> Handled:
    return Handled(f"e{seq}", way, seq, value, 2000, 3000, 1, 1, 500)


def test_the_count_knows_each_kind_of_mistake() -> None:
    count = compare(
        "warm",
        [event(1), event(2), event(3), event(4), event(9, "pod")],
        [
            *(handled(1), handled(2), handled(2), handled(3, "pod"), handled(4, value=7)),
            *(handled(8), handled(9, "pod")),
        ],
    )
    assert (count.owed, count.handled) == (4, 4)
    assert count.duplicated == ("e2",)
    assert count.misrouted == ("e3",)
    assert count.wrong == ("e4",)
    assert count.unknown == ("e8",)
    assert compare("pod", [event(9, "pod")], []).lost == ("e9",)


def test_a_crossing_is_seen_by_one_event_as_long_as_it_lasts() -> None:
    crossing = Crossing(1, 10, 15)
    assert unseen([crossing], [event(12)]) == ()
    assert unseen([crossing], [event(16)]) == (crossing,)
    assert unseen([crossing], [event(10), event(11)]) == (crossing,)


def test_an_event_of_a_step_that_was_not_made_is_untrue() -> None:
    assert untrue([event(1), event(2), event(3)], {1: 706, 2: 700}) == ("e2", "e3")
