"""yurthub for real, on this machine, with node pools and a Service of yurt-manager's workload: the
endpoints that programs of each node are given."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from edge_lab.addons import load_topology
from edge_lab.addons.pools.membership import pools_of
from edge_lab.addons.pools.names import EVERYWHERE, SITE
from edge_lab.core.deadline import Deadline
from edge_lab.data import LABS
from edge_lab.topology import Timing, Topology
from suites.pools import scenarios
from suites.pools.judging import judge_traffic
from tests.addons.gitops.hollow import hollow_nodes
from tests.addons.pools.hubs import Hubs, hub_program, running_hubs
from tests.addons.pools.site import manager_programs, running_site
from tests.addons.pools.standin import NativeSide
from tests.controlplane import control_plane, require

pytestmark = pytest.mark.native(reason="a control plane, yurt-manager and yurthub")

TIMING = Timing(node_lease=8, node_monitor_period=1, node_monitor_grace=8, unreachable_toleration=5)
WATCHED = {
    "LOST_SECONDS": 3.0,
    "AWAY_SECONDS": 6.0,
    "AFTER_SECONDS": 6.0,
    "TRAFFIC_SECONDS": 30.0,
}
"""yurthub renews the leases of hollow nodes: they are not lost when they are offline."""


@dataclass
class HubSide(NativeSide):
    """With yurthub on each node."""

    hubs: Hubs

    def set_hub_pool(self, node: str, pool: str) -> None:
        self.hubs.start(node, pool)
        self.hubs.wait_ready()

    def given(self, node: str, service: str) -> frozenset[str]:
        hub, limit = self.hubs.found[node], Deadline.scaled(60)
        # At first it answers 429.
        (found,) = limit.wait_for(
            "yurthub answers", lambda: (hub.given(service),), transient=(OSError,)
        )
        return frozenset(found)


@pytest.fixture(scope="module")
def pooled() -> Topology:
    return load_topology(LABS / "edge-pools.yaml")


@pytest.fixture(scope="module")
def side(pooled: Topology) -> Iterator[HubSide]:
    require()
    manager_programs()
    hub_program()
    pools = pools_of(pooled)
    nodes = tuple(node.name for node in pooled.edges)
    with tempfile.TemporaryDirectory(prefix="el") as made, pytest.MonkeyPatch.context() as patch:
        folder = Path(made)
        for name, seconds in WATCHED.items():
            patch.setattr(scenarios, name, seconds)
        with (
            control_plane(folder / "plane", pooled, TIMING) as plane,
            hollow_nodes(plane, folder / "nodes", nodes, addresses=True) as hollow,
            running_site(folder / "site", plane, pools) as site,
            running_hubs(folder / "hubs", plane, pooled) as hubs,
        ):
            yield HubSide(site, hollow, pools, hubs)


def test_traffic_stays_in_its_pool(side: HubSide) -> None:
    for found in scenarios.traffic(side, SITE):
        verdict = judge_traffic(found)
        assert verdict.passed, str(verdict)


def test_without_the_annotation_traffic_leaves_its_pool(side: HubSide) -> None:
    for found in scenarios.traffic(side, EVERYWHERE):
        verdict = judge_traffic(found)
        assert found.given == found.own | found.foreign, str(verdict)
        assert not verdict.passed, str(verdict)


def test_a_node_that_is_moved_has_traffic_of_its_new_pool_once_yurthub_knows_it(
    side: HubSide,
) -> None:
    found = scenarios.moved(side, "edge-arm", "south")
    verdict = judge_traffic(found.traffic, alone=True, before=found.kept)
    assert verdict.passed, str(verdict)
    # Its old pool has no NodeBucket any more: nothing was filtered.
    assert found.kept.given == found.kept.own | found.kept.foreign
