"""How many nodes and pods the control plane carries in the memory that its server has."""

from __future__ import annotations

import math
import time
from functools import partial
from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.cluster.kubectl import KubectlError
from edge_lab.cluster.objects import node_ready
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.core.step import step
from edge_lab.fixtures.lab import TimeLimit, left_unwell
from edge_lab.fixtures.measures import Measuring
from edge_lab.fixtures.nodes import LabNode
from suites.memory.carrying import Carried, Health, carried
from suites.memory.floorlabs import available_mib, kernel_log, shortage_in
from suites.memory.hollow import HollowNodes, present

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [allure.parent_suite("Memory"), allure.feature("Capacity")]

NODES_IN_BATCH, PODS_ON_NODE = 5, 20
MOST_BATCHES = 40
"""200 nodes and 4,000 pods: more is not looked for."""
LOOKS = 20
"""While a load is held, one after the other."""
BEYOND_GRACE = 1.5
"""Times the grace after which a silent node is no longer Ready: so long each load is held."""


class Watched:
    """The control plane's health, from one moment on."""

    def __init__(self, lab: Lab, server: LabNode, time_limit: TimeLimit) -> None:
        self._lab, self._server, self._limit = lab, server, time_limit
        self._kills, self._restarts = self._killed(), self._restarted()

    def look(self) -> Health:
        """After the load has been held for as long as a silent node would be noticed."""
        hold = Deadline.after(self._lab.topology.timing.node_monitor_grace * BEYOND_GRACE)
        slowest, least = 0.0, math.inf
        with step(f"hold the load for {hold.total:.0f} s"):
            for number in range(LOOKS):
                slowest = max(slowest, self._asked())
                if number % 5 == 0:
                    least = min(least, available_mib(self._lab, self._server.name) or math.inf)
                due = hold.total * (LOOKS - 1 - number) / LOOKS
                time.sleep(max(0.0, hold.remaining - due))
        if least == math.inf:
            raise LabError("the server does not say how much memory it has")
        return Health(
            available_mib=least,
            slowest_s=slowest,
            not_ready=self._not_ready(),
            kills=self._killed() - self._kills,
            restarts=self._restarted() - self._restarts,
        )

    def _asked(self) -> float:
        """Seconds of one request; infinite if it fails."""
        began = time.monotonic()
        try:
            self._lab.kubectl.get_json("node", self._server.name, deadline=self._limit(30))
        except KubectlError:
            return math.inf
        return time.monotonic() - began

    def _not_ready(self) -> tuple[str, ...]:
        try:
            items = self._lab.kubectl.items("nodes", deadline=self._limit(120))
        except KubectlError:
            return ("the API server does not list them",)
        return tuple(item["metadata"]["name"] for item in items if not node_ready(item))

    def _killed(self) -> int:
        return len(shortage_in(kernel_log(self._lab, self._server.name)))

    def _restarted(self) -> int:
        units = " ".join(self._lab.platform.units(self._lab.topology)[self._server.name])
        said = self._server.output(f"systemctl show -p NRestarts --value {units}")
        return sum(int(word) for word in said.split())


@pytest.mark.long_running(reason="up to 40 batches of nodes and pods, a minute each and more")
@pytest.mark.scenario("control plane's capacity")
@allure.title("How many nodes and pods the control plane carries in its server's memory")
def test_how_much_the_control_plane_carries(
    lab: Lab,
    server: LabNode,
    time_limit: TimeLimit,
    measure: Measuring,
    pytestconfig: pytest.Config,
) -> None:
    watched = Watched(lab, server, time_limit)
    left_unwell(pytestconfig, "the control plane was loaded until it gave way")
    with present(lab) as hollow:
        found = carried(partial(_add, hollow), watched.look, MOST_BATCHES)
    _measured(found, server, measure)
    assert found.batches, f"not even the first batch was carried: {'; '.join(found.stopped_by)}"


def _add(hollow: HollowNodes) -> str:
    """Why the API server did not take the next batch; empty if it did."""
    try:
        with step(f"{hollow.count + NODES_IN_BATCH} hollow nodes"):
            hollow.add(NODES_IN_BATCH, PODS_ON_NODE)
    except KubectlError as refused:
        return f"the API server did not take a batch: {refused.message.splitlines()[0]}"
    return ""


def _measured(found: Carried, server: LabNode, measure: Measuring) -> None:
    nodes = found.batches * NODES_IN_BATCH
    why = "; ".join(found.stopped_by) or "no more were tried"
    evidence = f"server of {server.spec.memory} MiB, hollow nodes of {PODS_ON_NODE} pods; {why}"
    for title, value in (("nodes carried", nodes), ("pods carried", nodes * PODS_ON_NODE)):
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
            "available beside them",
            round(found.health.available_mib, 1),
            unit="MiB",
            node=server.name,
            evidence="MemAvailable, the least of the last load carried",
        )
