"""A day as a story: what it shows, and that it shows what is lost."""

from __future__ import annotations

from dataclasses import replace

from edge_lab.report.story import Story
from edge_lab.report.storypage import story_html
from suites.plantday.controls import PLANTED
from suites.plantday.evidence import DayEvidence
from suites.plantday.judging import PARTS, judge_day, judge_whole
from suites.plantday.telling import page_of, story_of
from tests.plantday import scenes
from tests.plantday.madeup import EDGES, FIRST, LIMIT, SECOND, STACK


def story(day: DayEvidence) -> Story:
    parts = judge_day(day, scenes.samples(), LIMIT)
    whole = judge_whole(parts, STACK, faults=len(day.faults), actions=len(day.done))
    return story_of(day, parts, whole, scenes.recording())


def test_it_tells_what_people_did_what_broke_and_what_each_part_did() -> None:
    told = story(scenes.day())
    assert told.passed
    assert len(told.actions) == len(scenes.day().done)
    assert [action.bad for action in told.actions].count(True) == 2
    assert [part.name for part in told.parts] == list(PARTS)
    assert all(part.said for part in told.parts)
    by_name = {part.name: part for part in told.parts}
    assert by_name["metrics"].said.endswith("edge-arm: 2 of them are allowed")
    served = by_name["models"].rows[0]
    assert [stretch.label for stretch in served.stretches] == ["2", FIRST, SECOND]
    ran = by_name["updates from Git"].rows[1]
    assert [stretch.label for stretch in ran.stretches] == ["1", "2", "3", "5", "6"]
    assert [row.label for row in by_name["samples"].rows] == [f"{node} waiting" for node in EDGES]
    assert all(row.beats for row in by_name["functions"].rows)
    assert all(row.curve for row in by_name["memory"].rows)


def test_what_is_lost_is_told_with_its_problem() -> None:
    _, lose = PLANTED["a sample of metrics that is lost"]
    told = story(lose(scenes.day()))
    assert not told.passed
    (metrics,) = [part for part in told.parts if part.name == "metrics"]
    assert "lost 1 samples" in metrics.said
    assert metrics.rows[0].stretches[-1].bad
    page = story_html(told)
    assert "<h2>Problems</h2>" in page
    assert "failed" in page


def test_names_that_look_like_markup_are_escaped() -> None:
    harmed = replace(scenes.day(), left_out=("<script>alert(1)</script>",))
    parts = judge_day(harmed, scenes.samples(), LIMIT)
    page = page_of(harmed, parts, judge_whole(parts, STACK, faults=1, actions=1))
    assert "<script>" not in page
