"""The page of fleets: the curve names the size that fails, and is well-formed."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from edge_lab.report.fleetcurve import curve_svg, panels
from edge_lab.report.fleetpage import fleet_html
from tests.fleet.evidence import calls, herd, load

BENT = load(200, busy=0.97).altered(ready_after_s=None, never_ready=("hollow-00150",))


def test_the_curve_says_at_which_size_it_fails_and_why() -> None:
    svg = curve_svg([BENT, load(50)])
    ET.fromstring(svg)
    assert "fails at 200, by CPU" in svg
    assert svg.index("50 nodes") < svg.index("200 nodes")


@pytest.mark.parametrize("sizes", [(50,), (50, 200, 1000)])
def test_sizes_that_hold_have_a_curve(sizes: tuple[int, ...]) -> None:
    ET.fromstring(curve_svg([load(size) for size in sizes]))


def test_a_figure_that_there_is_not_leaves_a_gap() -> None:
    (times,) = (panel for panel in panels([load(50), BENT]) if panel.title.startswith("all Ready"))
    assert times.lines[0].values == (4.0, None)


def test_the_page_has_loads_and_herds_and_escapes_names() -> None:
    odd = load(50).altered(calls=(calls("GET", "<script>"),))
    page = fleet_html([odd, BENT], [herd().altered(not_ready=("hollow-00001",))])
    assert "<script>" not in page
    assert "Herd of 10 nodes" in page
    assert "not Ready again" in page


def test_a_page_of_herds_alone_has_no_curve() -> None:
    assert "<svg" not in fleet_html([], [herd()])
