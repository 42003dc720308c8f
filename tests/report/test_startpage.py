"""The page of pod starts: ratios first, no figure that the clocks cannot tell, nothing fetched."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_lab.oracles.scheduling.stages import Moment, Stage, StartTimes, stages_of
from edge_lab.oracles.scheduling.statistics import ratio
from edge_lab.report.startgroups import NamedRatio, grouped, round_steps, slowest
from edge_lab.report.startpage import starts_html
from edge_lab.report.startwaterfall import distribution_svg, waterfall_svg
from tests.budget import examples
from tests.oracles.scheduling.starts import SECONDS, start


def starts(node: str, condition: str = "idle", factor: float = 1.0) -> list[StartTimes]:
    found = []
    for number in range(5):
        after = {m: s * factor * (1 + number / 20) for m, s in SECONDS.items()}
        made = start(after, node=node, condition=condition, accelerator="tcg", load=1.5 + number)
        found.append(stages_of(made))
    return found


IDLE, BUSY = starts("edge-arm"), starts("edge-arm", "CPUs busy", 2)
OTHER = starts("edge-<riscv>")


def test_pods_of_one_node_runtime_and_condition_are_one_group() -> None:
    groups = grouped([*IDLE, *OTHER, *BUSY])
    assert [(group.node, group.condition, len(group.times)) for group in groups] == [
        ("edge-arm", "idle", 5),
        ("edge-<riscv>", "idle", 5),
        ("edge-arm", "CPUs busy", 5),
    ]
    assert slowest(groups[0].stages) is Stage.SANDBOX
    assert groups[0].host == "tcg, load 1.5–5.5"


def test_the_page_has_ratios_before_times_and_load_beside_them() -> None:
    found = ratio([start.startup for start in IDLE], [start.startup for start in BUSY])
    page = starts_html([*IDLE, *OTHER, *BUSY], [NamedRatio("edge-arm", "busy", "idle", found)])
    assert page.index("Ratios") < page.index("From created to Running")
    assert "tcg, load" in page
    assert "edge-&lt;riscv&gt;" in page
    assert "edge-<riscv>" not in page
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")


def test_a_difference_that_is_not_significant_is_named_and_not_coloured() -> None:
    alike = NamedRatio("edge-arm", "busy", "idle", ratio([1.0, 2.0, 3.0], [1.1, 1.9, 3.1]))
    page = starts_html(IDLE, [alike])
    assert "not significant" in page
    assert 'class="slower"' not in page


def test_a_stage_that_the_clocks_cannot_tell_has_no_figure() -> None:
    assert "&lt; 10 ms" in starts_html(IDLE) or "< 10 ms" in starts_html(IDLE)


@settings(max_examples=examples(25))
@given(st.lists(st.floats(0.0, 500.0), min_size=7, max_size=7), st.text(max_size=40))
def test_any_starts_can_be_drawn(durations: list[float], name: str) -> None:
    at, after = 0.0, {}
    for moment, duration in zip(Moment, [0.0, *durations], strict=True):
        at += duration
        after[moment] = at
    groups = grouped([stages_of(start(after, node=name or "x", condition=name or "x"))])
    for picture in (waterfall_svg(groups), distribution_svg(groups)):
        ET.fromstring(picture)


@pytest.mark.parametrize("most", [0.001, 0.9, 5, 33.3, 4000])
def test_an_axis_reaches_as_far_as_what_is_drawn(most: float) -> None:
    steps = round_steps(most)
    assert steps[0] == 0
    assert steps[-1] >= most
    assert len(steps) <= 14
