"""Fixtures of the suite."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edge_lab.addons.models.names import MODELS
from edge_lab.core.errors import MissingCapability
from edge_lab.faults.engine import FaultEngine
from edge_lab.fixtures.lab import TimeLimit
from suites.models.labside import LabSide

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab


@pytest.fixture
def side(lab: Lab, faults: FaultEngine, time_limit: TimeLimit) -> LabSide:
    """The models of the lab; skips if the topology does not list the add-on."""
    if MODELS not in lab.topology.addons:
        raise MissingCapability(f"no node has {MODELS!r}: does the topology list the add-on?")
    return LabSide(lab, faults, time_limit)
