"""Steps: what listeners are told, and below whom a step hangs."""

from __future__ import annotations

import threading

import pytest

from edge_lab.core.errors import LabError
from edge_lab.core.step import Phase, StepEvent, listening, step, warn


def recorded(events: list[StepEvent]) -> list[tuple[str, str]]:
    return [(event.title, event.phase.value) for event in events]


def test_steps_nest_and_tell_their_parents() -> None:
    events: list[StepEvent] = []
    with listening(events.append), step("up"), step("boot") as boot:
        boot.progress("kernel", 0.5)
    assert recorded(events) == [
        ("up", "start"),
        ("boot", "start"),
        ("boot", "progress"),
        ("boot", "end"),
        ("up", "end"),
    ]
    up, boot_start, progress = events[0], events[1], events[2]
    assert up.parent is None
    assert boot_start.parent == up.id
    assert (progress.detail, progress.done) == ("kernel", 0.5)


def test_a_step_that_fails_tells_the_first_line_and_lets_the_error_pass() -> None:
    events: list[StepEvent] = []
    with listening(events.append), pytest.raises(LabError), step("boot"):
        raise LabError("no console", remedy="Look.")
    assert (events[-1].phase, events[-1].detail) == (Phase.FAIL, "no console")


def test_after_a_failed_step_the_next_one_is_not_its_child() -> None:
    events: list[StepEvent] = []
    with listening(events.append):
        with pytest.raises(LabError), step("one"):
            raise LabError("x")
        with step("two"):
            pass
    assert [event.parent for event in events if event.title == "two"] == [None, None]


def test_a_step_in_a_thread_hangs_below_the_parent_it_was_given() -> None:
    events: list[StepEvent] = []
    with listening(events.append), step("all") as parent:

        def work() -> None:
            with step("one node", parent=parent):
                pass

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    child = next(event for event in events if event.title == "one node")
    assert child.parent == parent.id


def test_nobody_is_told_once_the_listening_is_over() -> None:
    events: list[StepEvent] = []
    with listening(events.append):
        pass
    with step("unheard"):
        pass
    assert events == []


def test_a_warning_is_one_event_below_its_step() -> None:
    events: list[StepEvent] = []
    with listening(events.append), step("up"):
        warn("no mirror")
    assert recorded(events) == [("up", "start"), ("warning: no mirror", "warning"), ("up", "end")]
    assert events[1].parent == events[0].id
