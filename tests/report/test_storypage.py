"""The page of a story: whole and legible, at any length."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_lab.faults.kinds import Cut, Kill
from edge_lab.oracles.spans import Span
from edge_lab.report.canvas import Axis, text_width
from edge_lab.report.story import Action, Part, Row, Story, Stretch
from edge_lab.report.storypage import story_html
from edge_lab.report.storypicture import APART, LEFT, RIGHT, WIDTH, marks_in_lanes, story_svg
from tests.budget import examples
from tests.oracles.recordings import at, fault
from tests.report.test_timeline import SVG, inside, texts

MINUTE = 60


def action(minutes: float, label: str = "push r2", *, bad: bool = False) -> Action:
    return Action(at(MINUTE * minutes), label, bad)


def story(minutes: float = 60, actions: Sequence[Action] = (), parts: Sequence[Part] = ()) -> Story:
    faults = (
        fault(1, Cut(link="arm-cloud"), 600, 601, 900, 902),
        fault(2, Kill(node="edge-arm", service="kubelet.service"), 1200, 1201, 1202, 1203),
    )
    return Story("A day", "two faults", Span(at(0), at(MINUTE * minutes)), actions, faults, parts)


PART = Part(
    "models",
    True,
    "requests lost 0 (edge-arm)",
    (
        Row(
            "edge-arm serves",
            (Stretch(Span(at(0), at(900)), "2"), Stretch(Span(at(900), at(3600)), "10")),
        ),
        Row("edge-arm events", beats=[at(second) for second in range(0, 3600, 20)]),
        Row("edge-arm in use", curve=[(at(0), 500.0), (at(1800), 650.0)], said="500 to 650 MiB"),
    ),
)


def test_a_story_shows_actions_faults_and_parts_with_their_verdicts() -> None:
    told = story(
        actions=[action(2), action(20, "update to a bad model worse", bad=True)], parts=[PART]
    )
    root = ET.fromstring(story_svg(told))
    shown = texts(root)
    for text in ("push r2", "1  cut on arm-cloud", "models", "passed", "10", "500 to 650 MiB"):
        assert text in shown
    inside(root)
    page = story_html(told)
    for text in ("A day", "2:00", "10:00", "15:02", "no answer"):
        assert text in page


def test_one_part_that_failed_or_one_problem_is_enough() -> None:
    assert story(parts=[PART]).passed
    lost = Part("metrics", False, "the view has lost 3 samples")
    assert not story(parts=[PART, lost]).passed
    root = ET.fromstring(story_svg(story(parts=[PART, lost])))
    assert {"passed", "failed"} <= set(texts(root))


@settings(max_examples=examples(50), deadline=None)
@given(
    minutes=st.lists(st.floats(-1, 61), max_size=14),
    label=st.text(st.characters(codec="ascii", min_codepoint=32), min_size=1, max_size=60),
)
def test_labels_of_actions_never_overlap_and_stay_on_the_picture(
    minutes: list[float], label: str
) -> None:
    axis = Axis(Span(at(0), at(3600)), at(0), LEFT, RIGHT)
    actions = [action(minute, label) for minute in minutes]
    lanes = marks_in_lanes(actions, axis)
    assert sum(map(len, lanes)) == len(actions)
    for lane in lanes:
        ordered = sorted(lane, key=lambda mark: mark.begins)
        for mark, other in pairwise(ordered):
            assert mark.ends + APART < other.begins
        for mark in lane:
            width = text_width(mark.label, 10.5)
            assert mark.ends - mark.begins >= width
            assert 0 <= mark.begins <= mark.ends <= WIDTH


@pytest.mark.parametrize("minutes", [1, 12, 60, 480])
def test_a_story_of_any_length_is_inside_its_picture(minutes: int) -> None:
    told = story(minutes, [action(share * minutes) for share in (0, 0.5, 0.51, 0.52, 1)], [PART])
    root = ET.fromstring(story_svg(told))
    inside(root)
    labels = [
        text
        for text in root.iter(f"{SVG}text")
        if (text.text or "").isdigit() and text.get("font-size") == "10"
    ]
    assert 2 <= len(labels) // 2 <= 15


def test_an_empty_story_is_drawn() -> None:
    inside(ET.fromstring(story_svg(Story("", "", Span(at(0), at(0)), (), (), ()))))


def test_texts_of_one_row_do_not_overlap() -> None:
    """Labels of stretches are drawn only where they fit."""
    stretches = [
        Stretch(Span(at(number), at(number + 1)), f"revision {number}") for number in range(60)
    ]
    part = Part("updates", True, "", (Row("edge-arm runs", stretches),))
    shown = texts(ET.fromstring(story_svg(story(parts=[part]))))
    assert not any(text.startswith("revision") for text in shown)
