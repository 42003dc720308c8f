"""The smallest memory at which an edge node joins, works, and survives a reboot while offline."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.core.errors import LabError
from edge_lab.core.home import RunDir
from edge_lab.faults.engine import FaultEngine
from edge_lab.faults.kinds import Reboot
from edge_lab.faults.limits import TimeLimit, scaled_limit
from edge_lab.fixtures.capabilities import capabilities_of
from edge_lab.fixtures.lab import topology_to_collect
from edge_lab.fixtures.measures import keep_measures
from edge_lab.fixtures.sessions import alone_in
from edge_lab.observe.watch import watching
from edge_lab.oracles.autonomy import Expectation
from edge_lab.topology import Topology
from suites.memory.floor import SIZES, Stage, find_floor, measures_of
from suites.memory.floorlabs import LAB, FloorLab
from suites.nodestate import missing_after_reboot, unhealthy_nodes

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [allure.parent_suite("Memory"), allure.feature("Floor")]

REST_SECONDS = 120.0
"""Seconds for a new node to be Ready, with all pods and no samples waiting."""
RECOVER_SECONDS = 300.0
OFFLINE = "offline-reboot"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "searched" in metafunc.fixturenames:
        topology = topology_to_collect(metafunc.config)
        metafunc.parametrize("searched", [node.name for node in topology.edges])


def works_and_survives(lab: Lab, node: str) -> Iterator[Stage]:
    """The idle node; then, if the stack supports it, a reset without its uplink and the
    recovery."""
    limit: TimeLimit = scaled_limit()
    engine = FaultEngine.of(lab, limit)
    yield Stage.SETTLE
    with watching(lab, limit, node) as watch:
        assert not unhealthy_nodes(lab, watch, limit(REST_SECONDS)), (
            "the node or its pods are unhealthy"
        )
        yield Stage.REBOOT
        if OFFLINE in capabilities_of(lab, [node]):
            away = missing_after_reboot(lab, engine, watch.recorder, limit)
            assert not away, "its pods did not run again while it was offline"
        else:
            with engine.inflict(Reboot(node=node)):
                pass  # healed when it is up again
        yield Stage.RECOVER
        assert not unhealthy_nodes(lab, watch, limit(RECOVER_SECONDS)), "it has not recovered"
    verdict = watch.judge(node, Expectation(downtime_s=None, may_restart=None))
    assert verdict.passed, str(verdict)


@pytest.mark.long_running(reason="three to seven cold labs for each edge node")
@pytest.mark.scenario("memory floor")
@allure.title(
    "The smallest memory at which {searched} joins, works and survives a reboot while offline"
)
def test_the_smallest_memory(
    topology: Topology, searched: str, request: pytest.FixtureRequest
) -> None:
    own = FloorLab(topology, searched, works_and_survives, request.config.getoption("--lab-stack"))
    with alone_in(RunDir(LAB)):
        floor = find_floor(own.attempt, SIZES)
    allure.attach(str(floor), "attempts", allure.attachment_type.TEXT)
    runtime = own.stack_name or topology.stacks[0]
    keep_measures(request.node, runtime, searched, measures_of(floor, searched))
    last = floor.attempts[-1]
    if floor.mib is None and not last.shortage:
        raise LabError(f"no control: {last}")
    assert floor.mib is not None, str(floor)
