"""Hollow nodes against a real control plane on this host: kwok does what it is told."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.core.process import processes_of
from edge_lab.fleet.fleet import LEASES, Fleet, fleet_beside
from edge_lab.fleet.hollow import NAMESPACE, SELECTOR
from edge_lab.fleet.measuring import FleetMeasuring
from edge_lab.oracles.fleet import judge_herd, judge_load
from edge_lab.pki import CLUSTER
from edge_lab.stacks.hostaccess import HostAccess
from edge_lab.topology import Timing, Topology
from tests.controlplane import NativeControlPlane, control_plane, require

pytestmark = pytest.mark.native(reason="starts a control plane, and kwok beside it")

TIMING = Timing(node_lease=8, node_monitor_period=1, node_monitor_grace=8, unreachable_toleration=5)
SIZE = 20
SECONDS = 240.0


@pytest.fixture(scope="module")
def plane(default_topology: Topology) -> Iterator[NativeControlPlane]:
    require("kwok")
    with (
        tempfile.TemporaryDirectory(prefix="el") as folder,
        control_plane(Path(folder), default_topology, TIMING) as native,
    ):
        yield native


@pytest.fixture
def fleet(plane: NativeControlPlane) -> Iterator[Fleet]:
    place = plane.place(require("kwok")["kwok"], lease_s=TIMING.node_lease)
    with fleet_beside(place, nodes=SIZE, deadline=Deadline.scaled(SECONDS)) as hollow:
        yield hollow


def test_a_small_fleet_holds(plane: NativeControlPlane, fleet: Fleet) -> None:
    load = FleetMeasuring(fleet, plane).held(12.0, fleet.growth)
    verdict = judge_load(load)
    assert (load.never_ready, load.lost) == ((), ())
    assert load.renewals > SIZE, str(verdict)
    assert any(kind.name == "PUT leases" for kind in load.calls), str(verdict)
    assert load.load.after.programs["kube-apiserver"].rss_mib > 50


def test_a_silent_fleet_is_lost_and_comes_back(plane: NativeControlPlane, fleet: Fleet) -> None:
    fleet.add_pods(Deadline.scaled(SECONDS))
    herd = FleetMeasuring(fleet, plane).herd(40.0, 5.0)
    verdict = judge_herd(herd)
    assert verdict.passed, str(verdict)
    assert set(herd.lost) == set(fleet.names)


def test_nothing_of_a_fleet_is_left(plane: NativeControlPlane) -> None:
    place = plane.place(require("kwok")["kwok"], lease_s=TIMING.node_lease)
    with fleet_beside(place, nodes=3, deadline=Deadline.scaled(SECONDS)) as hollow:
        pid = hollow.pid
        hollow.silence()  # its end does not wait for what stands still
    kubectl, limit = plane.kubectl, Deadline.scaled(60)
    assert kubectl.items("nodes", "-l", SELECTOR, deadline=limit) == []
    assert kubectl.find("namespace", NAMESPACE, deadline=limit) is None
    assert pid not in {process.pid for process in processes_of(plane.folder)}


def test_a_kwok_that_has_ended_is_an_error_of_the_lab(fleet: Fleet) -> None:
    fleet.end()
    with pytest.raises(LabError):
        fleet.check()


def test_a_fleet_with_another_certificate_does_not_wait_for_leases_to_run_out(
    plane: NativeControlPlane, fleet: Fleet
) -> None:
    """As when the authority is replaced: a kwok that took leases over would have waited."""

    def leases() -> dict[str, dict[str, Any]]:
        found = plane.kubectl.items("leases", "-n", LEASES, deadline=Deadline.scaled(60))
        return {
            document["metadata"]["name"]: document["spec"]
            for document in found
            if document["metadata"]["name"] in fleet.names
        }

    access, before = HostAccess(fleet.place.kubeconfig), leases()
    access.show(plane.pki.authority(CLUSTER).issue(access.spec))
    limit = Deadline.scaled(SECONDS)
    limit.wait_for("it is taken", lambda: access.is_taken)
    limit.wait_for("all leases are there again", lambda: len(leases()) == SIZE)
    after = leases()
    holders = {spec["holderIdentity"] for spec in after.values()}
    assert len(holders) == 1
    assert holders.isdisjoint(spec["holderIdentity"] for spec in before.values())
    assert {name for name, spec in after.items() if spec.get("leaseTransitions")} == set()
    assert frozenset(fleet.names) <= fleet.readiness.ready()
