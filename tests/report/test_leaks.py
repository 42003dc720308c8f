"""The picture of slopes: a leak is told apart, and it is well-formed."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from edge_lab.oracles.memory.leaks import judge_leaks
from edge_lab.report.leaks import LEAK, leaks_svg
from tests.oracles.test_leaks import LEAKER, evidence, noisy


def test_a_leak_is_drawn_in_its_own_colour() -> None:
    found = evidence(noisy(1, leak=1.0))
    svg = leaks_svg(judge_leaks(found), found)
    ET.fromstring(svg)
    assert LEAKER in svg
    assert LEAK in svg


def test_where_nothing_leaks_nothing_is_in_that_colour() -> None:
    found = evidence(lambda number, part: 50)
    svg = leaks_svg(judge_leaks(found), found)
    ET.fromstring(svg)
    assert LEAK not in svg
