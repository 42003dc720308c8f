"""The picture of nodes' memory: each part has its area, and the areas add up."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from edge_lab.evidence.memory import Group, MemoryPart, NodeMemorySeen, PressureSeen
from edge_lab.evidence.recording import Recording
from edge_lab.faults.kinds import MemoryHog
from edge_lab.measuring.observation import Observation
from edge_lab.report.memory import COLOURS, memory_svg, memory_table
from tests.oracles.recordings import NODE, at, fault

SVG = "{http://www.w3.org/2000/svg}"
USUAL = {
    Group.RESERVED: 77.0,
    Group.KERNEL: 96.0,
    Group.SYSTEM: 45.0,
    Group.EDGE_RUNTIME: 130.0,
    Group.CONTAINERD: 85.0,
    Group.ADD_ONS: 40.0,
    Group.PODS: 60.0,
    Group.PAGE_CACHE: 400.0,
    Group.UNACCOUNTED: 18.0,
}


def look(seconds: float, node: str = NODE, hog: float = 0.0, **other: float) -> NodeMemorySeen:
    amounts = {**USUAL, **{Group[name]: mib for name, mib in other.items()}}
    parts = [MemoryPart(group=group, name=group.value, mib=mib) for group, mib in amounts.items()]
    if hog:
        parts.append(MemoryPart(group=Group.SYSTEM, name="hog.service", mib=hog, oom_kills=1))
    free = 2048 - sum(part.mib for part in parts)
    parts.append(MemoryPart(group=Group.FREE, name="free", mib=free))
    return NodeMemorySeen(
        time=at(seconds),
        node=node,
        machine_mib=2048,
        total_mib=1971,
        available_mib=max(0.0, free + 350),
        parts=tuple(parts),
    )


def recording(*observed: Observation) -> Recording:
    hog = MemoryHog(node=NODE, mib=900)
    return Recording(
        began=at(-20),
        ended=at(120),
        runtime="kubernetes+openyurt",
        nodes=(NODE,),
        faults=(fault(1, hog, 0, 8, 60, 66),),
        observed=observed,
    )


def made_up() -> Recording:
    """As a hog of 900 MiB on one node, and another at rest."""
    looks: list[Observation] = []
    for seconds in range(-20, 120, 5):
        hog = 900.0 * min(1.0, max(0, seconds) / 8) if seconds < 65 else 0.0
        cache = 400.0 - (250 if 5 <= seconds < 65 else 0) + (seconds % 15)
        looks.append(look(seconds, hog=hog, PAGE_CACHE=cache))
        looks.append(look(seconds, "server", CONTROL_PLANE=560.0))
    for seconds, condition in ((-20, "False"), (14, "True"), (90, "False")):
        looks.append(
            PressureSeen(
                time=at(seconds), node=NODE, condition=condition, tainted=False, ready="True"
            )
        )
    return recording(*looks)


def areas(svg: str) -> dict[str, list[tuple[float, float]]]:
    """By colour, the points of the areas."""
    return {
        polygon.attrib["fill"]: [
            (float(x), float(y))
            for x, y in (pair.split(",") for pair in polygon.attrib["points"].split())
        ]
        for polygon in ET.fromstring(svg).iter(f"{SVG}polygon")
    }


def test_the_areas_lie_on_each_other_and_end_at_the_machine_s_memory() -> None:
    svg = memory_svg(recording(look(0), look(60)), "at rest")
    found = areas(svg)
    bounds = []
    for group, colour in COLOURS.items():
        if colour in found:
            heights = [y for _, y in found[colour]]
            bounds.append((group, max(heights), min(heights)))
    assert all(below[2] == above[1] for below, above in pairwise(bounds))
    limit = next(
        float(line.attrib["y1"])
        for line in ET.fromstring(svg).iter(f"{SVG}line")
        if line.attrib.get("stroke-width") == "1.6"
    )
    assert abs(bounds[-1][2] - limit) < 0.2


def test_the_line_of_two_gibibytes_is_named() -> None:
    svg = memory_svg(made_up(), "hog")
    texts = [text.text for text in ET.fromstring(svg).iter(f"{SVG}text")]
    assert texts.count("2 GiB") == 2
    assert {group.value for group in COLOURS} <= set(texts)


def test_pressure_is_a_bar_for_as_long_as_it_was_shown() -> None:
    hints = [
        title.text or "" for title in ET.fromstring(memory_svg(made_up(), "x")).iter(f"{SVG}title")
    ]
    assert "MemoryPressure for 76 s" in hints


def test_a_recording_without_looks_has_no_picture() -> None:
    assert memory_svg(recording(), "nothing") == ""


@given(
    st.lists(
        st.builds(
            look,
            st.floats(-100, 500),
            st.sampled_from([NODE, "server"]),
            st.floats(0, 5000),
            PODS=st.floats(-100, 9000),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_any_looks_are_drawn(looks: list[NodeMemorySeen]) -> None:
    looks.sort(key=lambda look: look.time)
    assert ET.fromstring(memory_svg(recording(*looks), "any")).attrib["viewBox"]


def test_the_table_has_each_part_and_the_sum() -> None:
    text = memory_table(look(0, hog=300))
    assert "hog.service" in text
    assert text.splitlines()[-1].split()[0] == "2048.0"


def test_a_recording_that_was_written_and_read_again_has_the_same_picture(tmp_path: Path) -> None:
    path = tmp_path / "hog.json"
    made_up().write(path)
    assert memory_svg(Recording.read(path), "hog") == memory_svg(made_up(), "hog")
