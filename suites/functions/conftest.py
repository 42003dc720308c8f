"""Fixtures of the suite: each scenario runs once, and the tests of all ways share it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from edge_lab.addons.functions.names import FUNCTIONS
from edge_lab.core.errors import MissingCapability
from edge_lab.faults.engine import FaultEngine
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.outcomes import eventually, preparing
from suites.edges import is_ready
from suites.functions.kedaside import LabKedaSide
from suites.functions.scenarios import Scene

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

READY_SECONDS = 180.0
"""For nodes to be Ready again, so that one scenario does not affect the next."""

SceneOf = Callable[..., Scene]


@pytest.fixture(scope="package")
def side(lab: Lab, fault_engine: FaultEngine, time_limit: TimeLimit) -> LabKedaSide:
    """The functions of the lab; skips if the topology does not list the add-on."""
    if FUNCTIONS not in lab.topology.addons:
        raise MissingCapability(f"no node has {FUNCTIONS!r}: does the topology list the add-on?")
    return LabKedaSide(lab, fault_engine, time_limit)


@pytest.fixture(scope="package")
def scene_of(lab: Lab, side: LabKedaSide, time_limit: TimeLimit) -> SceneOf:
    """Runs a scenario, or returns its result if another test has already run it."""
    made: dict[tuple[str, tuple[Any, ...]], Scene] = {}

    def find(make: Callable[..., Scene], *how: Any) -> Scene:
        wanted = (make.__name__, how)
        if wanted not in made:
            made[wanted] = make(side, *how)
            for node in side.nodes:
                ready = partial(is_ready, lab, node, time_limit)
                with preparing():
                    eventually(f"{node} is Ready", ready, time_limit(READY_SECONDS))
        return made[wanted]

    return find
