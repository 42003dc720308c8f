"""yurt-manager for real, on this machine, with the suite's scenarios and judges: a control plane,
and three hollow nodes in two pools."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_lab.addons.pools.endpoints import pools_endpoints
from edge_lab.addons.pools.names import EVERYWHERE, WEBHOOK_PORT
from edge_lab.addons.pools.rights import WEBHOOK_KINDS
from edge_lab.core.deadline import Deadline
from edge_lab.topology import Timing, Topology
from suites.pools import scenarios
from suites.pools.judging import (
    judge_away,
    judge_change,
    judge_neighbour,
    judge_placement,
    judge_traffic,
)
from suites.pools.scenarios import BACK_SECONDS, CHANGE_SECONDS
from tests.addons.gitops.hollow import hollow_nodes
from tests.addons.nativeidentity import judge_at
from tests.addons.pools.site import manager_programs, running_site
from tests.addons.pools.standin import NativeSide
from tests.controlplane import control_plane, require
from tests.probes.conftest import TargetAt, authority, mint, target_at

__all__ = ["authority", "mint", "target_at"]

pytestmark = pytest.mark.native(
    reason="a control plane and yurt-manager, and outages of a minute each"
)

TIMING = Timing(node_lease=8, node_monitor_period=1, node_monitor_grace=8, unreachable_toleration=5)
POOLS = {"north": ("hollow-1", "hollow-2"), "south": ("hollow-3",)}
WATCHED = {"AWAY_SECONDS": 25.0, "AFTER_SECONDS": 6.0, "TRAFFIC_SECONDS": 30.0}
"""How long scenarios look at what must not happen; a node is noticed as lost before that."""


@pytest.fixture(scope="module")
def side(default_topology: Topology) -> Iterator[NativeSide]:
    require()
    manager_programs()
    with tempfile.TemporaryDirectory(prefix="el") as made, pytest.MonkeyPatch.context() as patch:
        folder = Path(made)
        for name, seconds in WATCHED.items():
            patch.setattr(scenarios, name, seconds)
        nodes = tuple(node for found in POOLS.values() for node in found)
        with (
            control_plane(folder / "plane", default_topology, TIMING) as plane,
            hollow_nodes(plane, folder / "nodes", nodes, addresses=True) as hollow,
            running_site(folder / "site", plane, POOLS) as site,
        ):
            yield NativeSide(site, hollow, POOLS)


def test_each_node_is_in_its_pool_and_runs_its_configuration(side: NativeSide) -> None:
    for found in scenarios.placement(side):
        verdict = judge_placement(found)
        assert verdict.passed, str(verdict)


def test_tweaks_for_the_wrong_pools_are_red(side: NativeSide) -> None:
    for found in scenarios.placement(side, exchanged=True):
        verdict = judge_placement(found)
        assert any(problem.startswith("it runs ") for problem in verdict.problems), str(verdict)


def test_a_change_of_one_pool_restarts_the_pods_of_all_pools(side: NativeSide) -> None:
    """The label of the YurtAppSet's revision is in the template of each pool's pods."""
    for found in scenarios.neighbour(side, "south"):
        verdict = judge_neighbour(found)
        assert verdict.problems == ("1 restarts, although nothing changed for its pool",)


def test_without_a_filter_traffic_leaves_its_pool(side: NativeSide) -> None:
    for found in scenarios.traffic(side, EVERYWHERE):
        assert found.given == found.own | found.foreign
        assert not judge_traffic(found).passed


def test_a_pool_that_starts_again_while_cut_off_catches_up(side: NativeSide) -> None:
    found = scenarios.cut_off(side, "south", reset=True)
    verdicts = [
        *map(judge_away, found.away),
        *(judge_change(change, limit_s=BACK_SECONDS) for change in found.back),
    ]
    assert verdicts
    assert all(verdict.passed for verdict in verdicts), "\n".join(map(str, verdicts))


def test_a_pool_that_is_cut_off_goes_on_and_catches_up(side: NativeSide) -> None:
    found = scenarios.cut_off(side, "north")
    assert (len(found.away), len(found.others), len(found.back)) == (2, 1, 2)
    for away in found.away:
        verdict = judge_away(away)
        assert verdict.passed, str(verdict)
    for change in found.others:
        verdict = judge_change(change, limit_s=CHANGE_SECONDS)
        assert verdict.passed, str(verdict)
    for change in found.back:
        verdict = judge_change(change, limit_s=BACK_SECONDS)
        assert verdict.passed, str(verdict)


def test_a_node_that_is_moved_while_offline_changes_once(side: NativeSide) -> None:
    found = scenarios.moved(side, "hollow-1", "south")
    away, back = judge_away(found.away), judge_change(found.back, limit_s=BACK_SECONDS)
    assert away.passed, str(away)
    assert back.passed, str(back)


def test_a_move_in_one_step_is_not_noticed(side: NativeSide) -> None:
    """The planted defect of a move: yurt-manager warns of the change, and changes no pool."""
    scenarios.settle(side)
    side.relabel("hollow-1", "south")
    assert not side.seen(lambda: "hollow-1" in side.members("south"), 10)
    side.move("hollow-1", "north")


# -- who is let in ---------------------------------------------------------------------------------


def test_the_webhook_server_admits_anyone_as_declared(
    side: NativeSide, topology: Topology, target_at: TargetAt
) -> None:
    (declared,) = (found for found in pools_endpoints(topology) if found.port == WEBHOOK_PORT)
    verdict = judge_at(side.site.place.webhook_port, declared, target_at)
    assert verdict.passed, str(verdict)


def test_yurt_manager_ends_without_its_webhook_configurations(side: NativeSide) -> None:
    """The planted defect of its start."""
    site, kubectl = side.site, side.site.plane.kubectl
    site.end()
    for kind, name in WEBHOOK_KINDS.items():
        kubectl.delete(kind.lower(), name, deadline=Deadline.scaled(60))
    site.start()
    assert site.process is not None
    assert site.process.wait(60) == 1
    assert "could not prepare certificate for webhook" in site.log.read_text()
