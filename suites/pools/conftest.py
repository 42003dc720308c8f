"""Fixtures of the suite."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edge_lab.addons.pools.names import POOLS
from edge_lab.core.errors import MissingCapability
from edge_lab.faults.engine import FaultEngine
from edge_lab.fixtures.lab import TimeLimit
from suites.pools.labside import LabSide

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

LEAST_POOLS = 2


@pytest.fixture
def side(lab: Lab, faults: FaultEngine, time_limit: TimeLimit) -> LabSide:
    """The pools of the lab; skips if there are not two."""
    found = LabSide(lab, faults, time_limit)
    if POOLS not in lab.topology.addons or len(found.pools) < LEAST_POOLS:
        raise MissingCapability(
            f"edge nodes are not in two pools: does the topology list {POOLS!r}, and label them?"
        )
    return found
