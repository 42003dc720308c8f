"""Over bad uplinks: each event is handled once, and the cloud has each once."""

from __future__ import annotations

import allure
import pytest

from suites.conftest import Judged
from suites.functions.conftest import SceneOf
from suites.functions.judging import judge_copies, judge_events
from suites.functions.parameters import each_way
from suites.functions.scenarios import on_line
from suites.functions.test_offline import EACH
from suites.lines import each_line

pytestmark = [
    allure.parent_suite("Functions"),
    allure.feature("Bad lines"),
    pytest.mark.needs("functions"),
]

LINES = each_line("functions")


@pytest.mark.parametrize("way", each_way())
@pytest.mark.parametrize("line", LINES)
@allure.title("Uplink is a line of type {line}: each event is handled once: {way}")
def test_each_event_is_handled_once_over_a_bad_line(
    scene_of: SceneOf, judged: Judged, line: str, way: str
) -> None:
    scene = scene_of(on_line, line, EACH)
    judged(judge_events(evidence, way, least=EACH) for evidence in scene.evidence.values())


@pytest.mark.parametrize("line", LINES)
@allure.title("Uplink is a line of type {line}: the cloud has exactly one copy of each event")
def test_the_cloud_has_each_event_once_over_a_bad_line(
    scene_of: SceneOf, judged: Judged, line: str
) -> None:
    scene = scene_of(on_line, line, EACH)
    judged(judge_copies(evidence, least=EACH) for evidence in scene.evidence.values())
