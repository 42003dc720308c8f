"""Shared fixtures: the lab, as the scenarios need it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edge_lab.faults.engine import FaultEngine
from edge_lab.fixtures.lab import TimeLimit
from suites.gitops.labside import LabSide

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab


@pytest.fixture
def side(lab: Lab, faults: FaultEngine, time_limit: TimeLimit) -> LabSide:
    """The fleet of the lab."""
    return LabSide(lab, faults, time_limit)
