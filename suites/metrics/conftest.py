"""Shared fixtures: each outage runs once for all senders."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import pytest

from edge_lab.addons.metrics.names import METRICS
from edge_lab.core.errors import MissingCapability
from edge_lab.faults.engine import FaultEngine
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.outcomes import eventually, preparing
from suites.edges import is_ready
from suites.metrics.outages import Outage
from suites.metrics.queries import Metrics

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

READY_SECONDS = 180.0
"""Waits until nodes are Ready again, so that faults here do not affect later tests."""

OutageOf = Callable[[Callable[[Metrics, FaultEngine], Outage]], Outage]


@pytest.fixture(scope="package")
def metrics(lab: Lab, time_limit: TimeLimit) -> Metrics:
    """The metrics of the lab; skips where the topology does not list the add-on."""
    if METRICS not in lab.topology.addons:
        raise MissingCapability(f"no edge node has {METRICS!r}: does the topology list the add-on?")
    return Metrics(lab, time_limit)


@pytest.fixture(scope="package")
def outage_of(
    lab: Lab, metrics: Metrics, fault_engine: FaultEngine, time_limit: TimeLimit
) -> OutageOf:
    """Runs an outage, or returns the one of that kind from another sender's test."""
    made: dict[str, Outage] = {}

    def find(make: Callable[[Metrics, FaultEngine], Outage]) -> Outage:
        if make.__name__ not in made:
            made[make.__name__] = make(metrics, fault_engine)
            for node in metrics.nodes:
                ready = partial(is_ready, lab, node, time_limit)
                with preparing():
                    eventually(f"{node} is Ready", ready, time_limit(READY_SECONDS))
        return made[make.__name__]

    return find
