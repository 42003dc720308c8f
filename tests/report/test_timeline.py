"""The picture of a recording: whatever was recorded, it is drawn, whole and legible."""

from __future__ import annotations

import math
import re
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_lab.evidence.recording import Recording
from edge_lab.faults.kinds import Cut, DiskFull, Fault, Flap, Kill, Pause, Profile
from edge_lab.measuring.observation import Observation, Subject
from edge_lab.oracles.spans import Span
from edge_lab.report.canvas import Axis, shortened, text_width
from edge_lab.report.faultbars import lanes_of
from edge_lab.report.timeline import timeline_svg
from tests.budget import examples
from tests.oracles.recordings import (
    NODE,
    POD,
    answered,
    at,
    containers,
    cut_and_healed,
    fault,
    power_lost,
    ready,
    waiting,
)
from tests.oracles.strategies import recordings

SVG = "{http://www.w3.org/2000/svg}"
X, Y = ("x", "x1", "x2"), ("y", "y1", "y2")


def parsed(recording: Recording, title: str = "cut") -> ET.Element:
    return ET.fromstring(timeline_svg(recording, title))


def texts(root: ET.Element) -> list[str]:
    return [each.text or "" for each in root.iter(f"{SVG}text")]


def hints(root: ET.Element) -> str:
    return "\n".join(each.text or "" for each in root.iter(f"{SVG}title"))


def bars(root: ET.Element, start: str) -> list[ET.Element]:
    """Rectangles whose hint begins so, from left to right."""
    found = [
        each
        for each in root.iter(f"{SVG}rect")
        if (each.findtext(f"{SVG}title") or "").startswith(start)
    ]
    return sorted(found, key=lambda each: float(each.attrib["x"]))


def inside(root: ET.Element) -> None:
    """All coordinates are numbers inside the view box."""
    *_, width, height = map(float, root.attrib["viewBox"].split())
    for each in root.iter():
        for names, most in ((X, width), (Y, height)):
            for name in names:
                assert 0 <= float(each.get(name, "0")) <= most, each.attrib
        if each.tag == f"{SVG}rect":
            right = float(each.attrib["x"]) + float(each.attrib["width"])
            assert 0 < float(each.attrib["width"]) <= right <= width + 0.2, each.attrib
            assert float(each.attrib["height"]) > 0
            assert float(each.attrib["y"]) + float(each.attrib["height"]) <= height
        for pair in each.get("points", "").split():
            x, y = map(float, pair.split(","))
            assert 0 <= x <= width
            assert 0 <= y <= height


def test_a_cut_shows_what_broke_when_and_what_came_back() -> None:
    root = parsed(cut_and_healed(), "uplink cut")
    shown = texts(root)
    for text in ("uplink cut", "1  cut on arm-cloud", NODE, POD, "Unknown 61 s", "at most 90"):
        assert text in shown
    assert "requested +0.0 s, seen +1.0 s, healed +92.0 s" in hints(root)
    parts = bars(root, "1  cut")
    asked, seen, healing = (each.attrib["fill"] for each in parts)
    assert asked == healing != seen
    inside(root)


def test_the_states_of_a_node_have_colours_of_their_own() -> None:
    states = ready((1, "True"), (70, "False"), (90, "Unknown"), (120, "Absent"), (160, "True"))
    root = parsed(cut_and_healed().model_copy(update={"node_seen": states}))
    names = ("True", "False", "Unknown", "Absent")
    assert len({bars(root, f"{name} ")[0].attrib["fill"] for name in names}) == 4


def test_a_node_without_power_is_silent_its_pod_out_of_sight_then_down() -> None:
    root = parsed(power_lost())
    shown = texts(root)
    assert {"silent 34 s", "unknown 38 s"} <= set(shown)
    assert bars(root, "down 12 s from 38.0")
    inside(root)


def test_two_pods_of_one_name_at_once_are_shown() -> None:
    twice = (containers(1, "first"), containers(100, "other", uid="uid-2"))
    root = parsed(cut_and_healed().model_copy(update={"container_seen": twice}))
    assert "2 at once 140 s" in texts(root)


def test_a_fault_that_was_never_seen_or_never_healed_says_so() -> None:
    faults = (
        fault(1, Cut(link="arm-cloud"), 60, None, 70, 71),
        fault(2, DiskFull(node=NODE), 80, 81),
    )
    shown = texts(parsed(cut_and_healed().model_copy(update={"faults": faults})))
    assert "1  cut on arm-cloud – never seen" in shown
    assert "2  disk of edge-arm full – not healed" in shown


def test_at_least_twenty_seconds_before_the_first_fault_are_shown() -> None:
    early = cut_and_healed().model_copy(
        update={"faults": (fault(1, Cut(link="a"), 5, 6, 7, 8),), "began": at(2), "ended": at(60)}
    )
    assert "-20" in texts(parsed(early))


def test_of_many_pods_those_in_trouble_are_shown() -> None:
    many = [containers(1, f"c{number}", pod=f"pod-{number:02}") for number in range(30)]
    down = containers(100, pod="pod-29")
    shown = texts(
        parsed(cut_and_healed().model_copy(update={"container_seen": (*many, down)})),
    )
    assert "pod-29" in shown
    assert "and 20 pods more" in shown


def test_an_empty_recording_is_drawn() -> None:
    root = parsed(Recording(began=at(0), ended=at(0), runtime="k3s+kubeedge", nodes=(NODE,)))
    assert "none" in texts(root)
    assert "not observed" in texts(root)
    inside(root)


def test_what_comes_from_outside_is_escaped() -> None:
    hostile = "<script>alert(1)</script>\x00\x1b\ud800"
    recording = cut_and_healed().model_copy(update={"runtime": hostile})
    svg = timeline_svg(recording, hostile)
    assert "<script>" not in svg
    assert "\x00" not in svg
    ET.fromstring(svg)


FINITE = st.floats(allow_nan=False, allow_infinity=False)


class LoadSeen(Observation, kind="tests_load_seen"):
    node: str
    cpu: int
    load: float | None

    @property
    def subject(self) -> Subject:
        return self.node, f"cpu{self.cpu}"

    @property
    def number(self) -> float | None:
        return {-1.0: math.nan, -2.0: math.inf}.get(self.load or 0, self.load)


def loads(*seen: tuple[float, int, float | None], node: str = NODE) -> tuple[LoadSeen, ...]:
    return tuple(LoadSeen(time=at(time), node=node, cpu=cpu, load=load) for time, cpu, load in seen)


def with_loads(*seen: tuple[float, int, float | None], node: str = NODE) -> ET.Element:
    return parsed(cut_and_healed().model_copy(update={"observed": loads(*seen, node=node)}))


def charts(root: ET.Element) -> int:
    return len(list(root.iter(f"{SVG}polygon")))


def test_what_watchers_saw_as_numbers_has_a_chart_for_each_subject() -> None:
    root = with_loads((1, 0, 0.5), (70, 0, 3.25), (1, 1, 7.0), (90, 1, None))
    assert {"tests load seen cpu0", "0.5–3.2", "tests load seen cpu1", "7.0"} <= set(texts(root))
    assert charts(root) == charts(parsed(cut_and_healed())) + 2
    inside(root)


def test_what_is_of_another_node_or_no_number_is_in_no_band() -> None:
    bare = ET.tostring(parsed(cut_and_healed()))
    assert ET.tostring(with_loads((1, 0, 9.0), node="elsewhere")) == bare
    assert ET.tostring(with_loads((1, 0, None), (2, 0, -1.0), (3, 0, -2.0))) == bare


def test_of_many_charts_the_first_are_drawn() -> None:
    root = with_loads(*((1.0, cpu, 1.0) for cpu in range(30)))
    assert "and 24 charts more" in texts(root)
    inside(root)


@settings(max_examples=examples(60))
@given(st.lists(st.tuples(st.floats(-10, 300), st.integers(0, 2), st.none() | FINITE), max_size=8))
def test_any_number_is_drawn_inside_the_view_box(
    seen: list[tuple[float, int, float | None]],
) -> None:
    inside(with_loads(*seen))


FAULTS: list[Fault] = [
    Cut(link="arm-cloud"),
    Pause(node=NODE),
    Kill(node="edge-riscv", service="containerd"),
    Flap(link="riscv-cloud", period_s=4, count=10, direction="tx"),
    Profile(link="a-link-with-a-name-that-is-much-too-long-to-be-drawn-in-full" * 3, name="geo"),
]
spans = st.tuples(st.integers(0, 300), st.integers(0, 300), st.integers(0, 300)).map(sorted)
open_spans = st.lists(st.tuples(spans, st.sampled_from(FAULTS), st.booleans()), max_size=12)


@given(open_spans)
def test_bars_and_labels_of_a_lane_never_overlap(
    drawn: list[tuple[list[int], Fault, bool]],
) -> None:
    records = [
        fault(number, what, began, seen, healed if heals else None, healed if heals else None)
        for number, ((began, seen, healed), what, heals) in enumerate(drawn, start=1)
    ]
    axis = Axis(Span(at(-20), at(300)), at(0), 196, 1180)
    lanes = lanes_of(records, axis)
    assert sum(map(len, lanes)) == len(records)
    for lane in lanes:
        ordered = sorted(lane, key=lambda bar: bar.begins)
        for earlier, later in pairwise(ordered):
            assert earlier.ends < later.begins
        assert all(bar.begins >= axis.left - 1 and bar.ends <= axis.right + 1 for bar in lane)


@settings(max_examples=examples(60))
@given(recordings(), st.text(max_size=300))
def test_any_recording_draws_inside_its_view_box(recording: Recording, title: str) -> None:
    svg = timeline_svg(recording, title)
    assert not re.search(r"\b(nan|inf)\b", re.sub(r"<title>.*?</title>|>[^<]*<", "><", svg), re.I)
    inside(ET.fromstring(svg))


def test_hours_of_samples_make_a_small_picture() -> None:
    long = cut_and_healed().model_copy(
        update={
            "ended": at(20_000),
            "waiting_seen": waiting((float(t), t % 7) for t in range(20_000)),
            "answered": answered((0, True, "boot-1")),
        }
    )
    svg = timeline_svg(long, "hours")
    assert len(svg) < 60_000
    assert "at most 6" in svg


@pytest.mark.parametrize("width", [1, 20, 60, 200, 1000])
def test_a_text_is_shortened_in_its_middle_to_fit(width: float) -> None:
    text = "sampler-edge-arm-of-a-long-name"
    short = shortened(text, width, 11)
    assert text_width(short, 11) <= max(width, text_width("…", 11))
    assert short == text or "…" in short
