"""A day of operation with everything at once under a plan of faults: nothing lost, memory flat."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.fixtures.autonomy import Autonomy
from edge_lab.fixtures.faults import Chaos
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.oracles.verdict import Verdict
from suites.plantday.controls import assert_controls
from suites.plantday.judging import SAMPLES, TWIN_LATE_SECONDS, judge_day, judge_whole
from suites.plantday.scenarios import PlantDay
from suites.plantday.telling import page_of

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [allure.parent_suite("Plant day"), allure.feature("Operation")]


@pytest.mark.long_running(reason="an hour, or as long as --lab-day-minutes says")
@pytest.mark.needs("gitops", "metrics", "functions", "models")
@pytest.mark.scenario("plant day")
@allure.title("A day of operation under a fault plan: nothing lost, memory flat")
def test_a_day_with_everything_at_once(
    lab: Lab,
    plant_day: PlantDay,
    plan_file: Path,
    chaos: Chaos,
    autonomy: Autonomy,
    time_limit: TimeLimit,
    record_verdict: Callable[[Verdict], None],
) -> None:
    people = plant_day.settle()
    with autonomy.watching(watchers=plant_day.watchers()) as watch:
        plant_day.run(people, chaos, plan_file)
    samples = [autonomy.judge(watch, node, plant_day.expectation(node)) for node in watch.nodes]
    found = plant_day.evidence(people, watch.recording)
    limit = plant_day.functions.watched(plant_day.functions.nodes[0]).limit
    late_s = time_limit(TWIN_LATE_SECONDS).total
    parts = judge_day(found, samples, limit, twin_late_s=late_s)
    whole = judge_whole(parts, lab.stack_name, faults=len(found.faults), actions=len(found.done))
    page = page_of(found, parts, whole, watch.recording)
    allure.attach(page, "the day", allure.attachment_type.HTML)
    allure.global_attach(page, "plant day", allure.attachment_type.HTML)
    for part in parts:
        if part.name != SAMPLES:  # `autonomy` has recorded those
            for verdict in part.verdicts:
                record_verdict(verdict)
    record_verdict(whole)
    assert whole.passed, str(whole)
    assert_controls(found, samples, watch.recording, limit, late_s)
