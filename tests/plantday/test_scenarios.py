"""A whole day of suites/plantday with stand-ins for the lab: its order, and its evidence."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from suites.plantday import scenarios
from suites.plantday.controls import missed_defects
from suites.plantday.judging import TWIN_LATE_SECONDS, judge_day, judge_whole
from suites.plantday.scenarios import PlantDay
from tests.plantday import scenes, standins
from tests.plantday.madeup import (
    AFTER,
    DAY,
    EDGES,
    FAULTS,
    FIRST,
    LIMIT,
    SECOND,
    SECONDS,
    SERVER,
    STACK,
    START,
)
from tests.plantday.standins import StandInPlan, World

Begun = tuple[PlantDay, World]


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> Begun:
    world = World()

    def side(make: Callable[[World], Any]) -> Callable[..., Any]:
        return lambda *_: make(world)

    monkeypatch.setattr(scenarios, "Fleet", side(standins.StandInFleet))
    monkeypatch.setattr(scenarios, "Models", side(standins.StandInModels))
    monkeypatch.setattr(scenarios, "Functions", side(standins.StandInFunctions))
    monkeypatch.setattr(scenarios, "Metrics", side(lambda found: found))
    monkeypatch.setattr(scenarios, "Outage", standins.StandInOutage)
    monkeypatch.setattr(scenarios, "Scene", standins.StandInScene)
    monkeypatch.setattr(scenarios, "MemoryCase", standins.StandInCase)
    monkeypatch.setattr(scenarios, "Clock", lambda: world)
    monkeypatch.setattr(scenarios, "time", SimpleNamespace(time=world.time))
    monkeypatch.setattr("edge_lab.addons.twins.client.TwinClient", standins.StandInTwins)
    no_faults: Any = None
    return PlantDay(standins.lab_of(world), no_faults, Deadline.after, DAY), world


def chaos_of(plan: StandInPlan) -> Callable[[str], contextlib.AbstractContextManager[Any]]:
    @contextlib.contextmanager
    def run(file: str) -> Iterator[StandInPlan]:
        plan.world.log.append(f"plan {file} begins")
        yield plan
        plan.world.log.append("plan ended")

    return run


def test_a_day_is_settled_run_drained_and_judged(begun: Begun) -> None:
    day, world = begun
    people = day.settle()
    people.now = world.time
    day.run(people, chaos_of(StandInPlan(world)), Path("plant-day.yaml"))
    assert world.now == SECONDS
    assert world.log == [
        "functions begin",
        "metrics begin",
        "plan plant-day.yaml begins",
        "plan ended",
        "metrics settled",
        "functions handled",
        *(f"memory of {node} ends" for node in (*EDGES, SERVER)),
    ]
    assert world.pushed == [f"r1-{number}" for number in range(1, 7)]
    assert world.wanted == ["2", FIRST, "worse", SECOND]
    world.now += AFTER
    recording = scenes.recording()
    found = day.evidence(people, recording)
    assert len(found.faults) == len(FAULTS)
    assert [twin.twin for twin in found.twins] == ["boiler-edge-arm"]
    parts = judge_day(found, scenes.samples(), LIMIT)
    verdict = judge_whole(parts, STACK, faults=len(found.faults), actions=len(found.done))
    assert verdict.passed, str(verdict)
    assert missed_defects(found, scenes.samples(), LIMIT, TWIN_LATE_SECONDS) == []


def test_a_node_that_was_reset_is_looked_at_when_it_has_settled(begun: Begun) -> None:
    day, world = begun
    people = day.settle()
    day.run(people, chaos_of(StandInPlan(world)), Path("plant-day.yaml"))
    found = {node.node: node for node in day.evidence(people, scenes.recording()).memory}
    settled = found["edge-arm"]
    assert settled.settled is not None
    assert 301 + 30 <= settled.settled_at - START <= 301 + 45
    assert found["edge-riscv"].settled is None


def test_a_plan_that_fails_ends_the_day(begun: Begun) -> None:
    day, world = begun
    people = day.settle()
    with pytest.raises(LabError, match="the plan of the day has failed"):
        day.run(people, chaos_of(StandInPlan(world, fails_at=200)), Path("plant-day.yaml"))
    assert world.now < 210


def test_samplers_may_stand_still_and_restart_once_for_each_boot(begun: Begun) -> None:
    day, world = begun
    people = day.settle()
    day.run(people, chaos_of(StandInPlan(world)), Path("plant-day.yaml"))
    expected = day.expectation("edge-arm")
    assert expected.pods == ("edge-lab/sampler-edge-arm",)
    assert (expected.may_restart, expected.downtime_s) == (1, None)
    assert day.expectation("edge-riscv").may_restart == 0
