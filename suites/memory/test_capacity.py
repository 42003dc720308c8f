"""How many nodes and pods the control plane can carry with its server's memory."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.core.errors import LabError
from edge_lab.core.step import step
from edge_lab.fixtures.lab import TimeLimit, left_unwell
from edge_lab.fixtures.measures import Measuring
from edge_lab.fixtures.nodes import LabNode
from suites.memory.carrying import Carried, carried
from suites.memory.hollow import HollowNodes, present
from suites.memory.watched import Watched

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [allure.parent_suite("Memory"), allure.feature("Capacity")]

NODES_IN_BATCH, PODS_ON_NODE = 5, 20
MOST_BATCHES = 40
"""200 nodes and 4,000 pods are the maximum tried."""


@pytest.mark.long_running(reason="up to 40 batches of nodes and pods, a minute each and more")
@pytest.mark.scenario("control plane capacity")
@allure.title("How many nodes and pods the control plane supports within its server's memory")
def test_how_much_the_control_plane_carries(
    lab: Lab,
    server: LabNode,
    time_limit: TimeLimit,
    measure: Measuring,
    pytestconfig: pytest.Config,
) -> None:
    watched = Watched(lab, server, time_limit)
    left_unwell(pytestconfig, "the control plane was loaded until it failed")
    with present(lab) as hollow:
        found = carried(partial(_add, hollow), watched.look, MOST_BATCHES)
        _measured(found, server, measure)
    assert found.batches, f"the first batch was not supported: {'; '.join(found.stopped_by)}"


def _add(hollow: HollowNodes) -> str:
    """Why the API server refused the next batch; empty if it did not."""
    try:
        with step(f"{hollow.count + NODES_IN_BATCH} hollow nodes"):
            hollow.add(NODES_IN_BATCH, PODS_ON_NODE)
    except LabError as refused:
        return f"the API server did not take a batch: {refused.message.splitlines()[0]}"
    return ""


def _measured(found: Carried, server: LabNode, measure: Measuring) -> None:
    nodes = found.batches * NODES_IN_BATCH
    why = "; ".join(found.stopped_by) or "no larger number was tried"
    evidence = f"server of {server.spec.memory} MiB, hollow nodes of {PODS_ON_NODE} pods; {why}"
    for title, value in (("nodes supported", nodes), ("pods supported", nodes * PODS_ON_NODE)):
        measure(
            title,
            value,
            unit="count",
            better="higher",
            node=server.name,
            evidence=evidence[:200],
        )
    if found.health is not None:
        measure(
            "memory available with them",
            round(found.health.available_mib, 1),
            unit="MiB",
            node=server.name,
            evidence="MemAvailable, the least of the last load carried",
        )
