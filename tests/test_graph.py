from __future__ import annotations

from xml.etree import ElementTree as ET

from edge_lab.handle.linkstate import LinkState
from edge_lab.handle.picture import EndpointView, LinkView, lab_svg
from edge_lab.topology import Topology

SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: str) -> list[str]:
    return [each.text or "" for each in ET.fromstring(svg).iter(f"{SVG}text")]


def test_the_picture_names_every_part_of_the_lab(default_topology: Topology) -> None:
    shown = texts(lab_svg(default_topology))
    parts = (
        [each.name for each in default_topology.nodes]
        + [each.name for each in default_topology.devices]
        + [each.name for each in default_topology.links]
    )
    assert set(parts) <= set(shown)
    for network in default_topology.networks:
        assert any(text.startswith(network.name) for text in shown)


def test_there_is_one_line_for_each_link_and_none_crosses_a_box(default_topology: Topology) -> None:
    root = ET.fromstring(lab_svg(default_topology))
    lines = list(root.iter(f"{SVG}line"))
    assert len(lines) == len(default_topology.links)
    boxes = [rect for rect in root.iter(f"{SVG}rect") if rect.get("rx") == "8"]
    for line in lines:
        x = float(line.attrib["x1"])
        top, bottom = sorted((float(line.attrib["y1"]), float(line.attrib["y2"])))
        for box in boxes:
            left, upper = float(box.attrib["x"]), float(box.attrib["y"])
            right = left + float(box.attrib["width"])
            lower = upper + float(box.attrib["height"])
            crosses = left < x < right and top < lower - 1 and bottom > upper + 1
            assert not crosses


def test_each_state_of_a_link_looks_different(default_topology: Topology) -> None:
    looks = {}
    for state in LinkState:
        root = ET.fromstring(lab_svg(default_topology, links={"arm-cloud": LinkView(state)}))
        line = next(
            line
            for line in root.iter(f"{SVG}line")
            if (line.findtext(f"{SVG}title") or "").startswith("arm-cloud")
        )
        looks[state] = line.attrib["stroke"], line.attrib.get("stroke-dasharray", "")
    assert len(set(looks.values())) == len(LinkState)
    assert [state for state, (_, dash) in looks.items() if not dash] == [LinkState.UP]


def test_a_dot_says_whether_a_node_is_ready_and_none_is_drawn_where_it_is_not_known(
    default_topology: Topology,
) -> None:
    views = {"server": EndpointView((), True), "edge-arm": EndpointView((), False)}
    dots = list(ET.fromstring(lab_svg(default_topology, views)).iter(f"{SVG}circle"))
    assert len(dots) == 2
    assert len({dot.attrib["fill"] for dot in dots}) == 2


def test_what_comes_from_outside_is_escaped(default_topology: Topology) -> None:
    hostile = {"boiler": EndpointView(("<script>alert(1)</script>",))}
    svg = lab_svg(default_topology, hostile)
    assert "<script>" not in svg
    assert "<script>alert(1)</script>" in texts(svg)
