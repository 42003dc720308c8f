"""Fixtures of the suite."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.addons.functions.names import FUNCTIONS
from edge_lab.addons.gitops.names import GITOPS
from edge_lab.addons.metrics.names import METRICS
from edge_lab.addons.models.names import MODELS
from edge_lab.core.errors import MissingCapability
from edge_lab.faults.engine import FaultEngine
from edge_lab.fixtures.lab import TimeLimit
from suites.plantday.day import Day
from suites.plantday.dayplan import DayPlan, plan_of_day
from suites.plantday.scenarios import PlantDay

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

ADDONS = (GITOPS, METRICS, FUNCTIONS, MODELS)


@pytest.fixture
def day(day_minutes: int) -> Day:
    return Day(day_minutes)


@pytest.fixture
def day_plan(lab: Lab, day: Day) -> DayPlan:
    """The faults of the day in this lab."""
    return plan_of_day(day, lab.topology)


@pytest.fixture
def plan_file(day_plan: DayPlan, tmp_path: Path) -> Path:
    """The same as a file, attached to the report."""
    left_out = "".join(f"# left out: {line}\n" for line in day_plan.left_out)
    allure.attach(left_out + day_plan.text(), "plan of the day", allure.attachment_type.TEXT)
    return day_plan.write(tmp_path)


@pytest.fixture
def plant_day(
    lab: Lab, faults: FaultEngine, time_limit: TimeLimit, day: Day, day_plan: DayPlan
) -> PlantDay:
    """The day of the lab; skips if the topology lacks an add-on, or has no twin."""
    missing = [name for name in ADDONS if name not in lab.topology.addons]
    if not any(device.twins for device in lab.topology.devices):
        missing.append("a twin")
    if missing:
        raise MissingCapability(
            f"the topology lacks {', '.join(missing)}: labs/plant-day.yaml has everything"
        )
    return PlantDay(lab, faults, time_limit, day, day_plan.left_out)
