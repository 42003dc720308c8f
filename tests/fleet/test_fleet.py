"""A fleet's life, with a kwok that does nothing and a cluster that says what a test tells it."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from edge_lab.cluster.kubectl import KubectlError
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import DeadlineExceeded, InputError, LabError
from edge_lab.core.process import PROC, processes_of
from edge_lab.fleet.fleet import Fleet, fleet_beside
from edge_lab.fleet.hollow import USER, hollow_name
from edge_lab.fleet.place import GROUP, FleetPlace
from edge_lab.pki import CLUSTER, Pki
from edge_lab.stacks.hostaccess import HostAccess
from edge_lab.stacks.identities import admin_requests
from edge_lab.stacks.kubeconfig import identity_of
from tests.observe.fakes import FakeKubectl

SHORT = 0.3
"""Seconds in which what never comes is waited for."""


@dataclass
class FakeCluster(FakeKubectl):
    """Its nodes are Ready as soon as they are created, but for those that a test names."""

    never: frozenset[str] = frozenset()
    nodes: dict[str, str] = field(default_factory=dict)
    applied: list[str] = field(default_factory=list)
    deleted: list[tuple[str, ...]] = field(default_factory=list)
    silent_on: frozenset[str] = frozenset()
    """Kinds that it does not delete."""

    def apply_patiently(
        self, what: str, manifests: Sequence[Any], deadline: Deadline, watch: Any = None
    ) -> None:
        for manifest in manifests:
            name, kind = manifest["metadata"]["name"], manifest["kind"]
            self.applied.append(f"{kind} {name}")
            if kind == "Node":
                self.nodes[name] = "False" if name in self.never else "True"
                self.tell("nodes", "ADDED", self.node(name))

    def node(self, name: str) -> dict[str, Any]:
        conditions = [{"type": "Ready", "status": self.nodes[name]}]
        return {"metadata": {"name": name}, "status": {"conditions": conditions}}

    def items(self, *what: str, deadline: Deadline) -> list[dict[str, Any]]:
        return [self.node(name) for name in self.nodes]

    def delete(self, *args: str, deadline: Deadline, **more: Any) -> None:
        if args[0] in self.silent_on:
            raise KubectlError("the API server does not answer")
        self.deleted.append(args)


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


@pytest.fixture
def place(tmp_path: Path, cluster: FakeCluster) -> FleetPlace:
    kwok = tmp_path / "kwok"
    kwok.write_text("#!/bin/sh\nexec sleep 600\n")
    kwok.chmod(0o700)
    kubectl: Any = cluster
    return FleetPlace(
        kubectl=kubectl,
        url="https://127.0.0.1:1",
        pki=Pki.create(tmp_path / "keys", admin_requests()),
        run=tmp_path,
        folder=tmp_path / "fleet",
        kwok=kwok,
        lease_s=20,
        runtime="kubernetes+kubelet",
        server="server",
        twins=True,
    )


@pytest.fixture
def fleet(place: FleetPlace) -> Iterator[Fleet]:
    with fleet_beside(place, nodes=3, deadline=Deadline.scaled(60)) as hollow:
        yield hollow


def test_its_nodes_are_there_and_ready(fleet: Fleet, cluster: FakeCluster) -> None:
    assert fleet.names == tuple(map(hollow_name, (1, 2, 3)))
    assert fleet.growth.ready_after_s is not None
    assert fleet.grow(5, Deadline.scaled(60)).never_ready == ()
    assert cluster.applied.count("Node hollow-00001") == 1  # those that were there stay as they are


def test_what_it_is_let_in_by_is_its_own(place: FleetPlace, fleet: Fleet) -> None:
    file = place.folder / "kubeconfig"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert yaml.safe_load(file.read_text())["users"][0]["user"].keys() == {
        "client-certificate-data",
        "client-key-data",
    }
    assert USER not in ("edge-lab:admin", "system:masters")


def test_a_silent_fleet_stands_still_and_goes_on(fleet: Fleet) -> None:
    def state() -> str:
        return (PROC / str(fleet.pid) / "stat").read_text().rpartition(") ")[2][:1]

    silenced = fleet.silence()
    assert state() == "T"
    assert fleet.wake() > silenced
    assert state() != "T"


def test_pods_and_twins_are_counted_and_made_once(fleet: Fleet, cluster: FakeCluster) -> None:
    fleet.add_pods(Deadline.scaled(60))
    fleet.add_twins(2, Deadline.scaled(60))
    fleet.add_twins(2, Deadline.scaled(60))
    assert (fleet.pods, fleet.twins) == (3, 6)
    assert len([name for name in cluster.applied if name.startswith("DeviceStatus")]) == 6


def test_nodes_that_are_not_ready_in_time_are_named(fleet: Fleet, cluster: FakeCluster) -> None:
    cluster.never = frozenset({hollow_name(5)})
    growth = fleet.grow(5, Deadline.after(SHORT))
    assert growth.ready_after_s is None
    assert hollow_name(5) in growth.never_ready
    assert hollow_name(1) not in growth.never_ready  # it was Ready before


def test_a_fleet_that_a_restore_has_removed_is_put_back(fleet: Fleet, cluster: FakeCluster) -> None:
    before = fleet.pid
    assert fleet.restore(Deadline.scaled(60)).never_ready == ()
    assert fleet.pid == before  # nothing was missing
    del cluster.nodes[hollow_name(3)]
    assert fleet.restore(Deadline.scaled(60)).never_ready == ()
    assert hollow_name(3) in cluster.nodes
    assert fleet.pid != before  # what it had seen was of another time
    assert cluster.applied.count("Node hollow-00001") == 1


KINDS = ("nodes", "pods", "leases", "namespace", "clusterrolebinding", "clusterrole")


@pytest.mark.parametrize("silent_on", [(), ("nodes", "namespace"), KINDS])
def test_nothing_is_left_though_the_cluster_is_silent(
    place: FleetPlace, cluster: FakeCluster, silent_on: tuple[str, ...]
) -> None:
    cluster.silent_on = frozenset(silent_on)
    left: list[str] = []
    deadline = Deadline.scaled(60)
    with fleet_beside(place, nodes=1, deadline=deadline, on_left=left.append) as fleet:
        pid = fleet.pid
        assert pid in {process.pid for process in processes_of(place.run)}
        fleet.silence()
    assert pid not in {process.pid for process in processes_of(place.run)}
    deleted = [args[0] for args in cluster.deleted]
    assert deleted == [kind for kind in KINDS if kind not in silent_on]
    assert bool(left) is bool(silent_on)
    assert all(kind in left[0] for kind in silent_on)


def test_a_kwok_that_ends_is_an_error_of_the_lab(place: FleetPlace) -> None:
    place.kwok.write_text("#!/bin/sh\necho no stages found; exit 3\n")
    with (
        pytest.raises(LabError, match="no stages found"),
        fleet_beside(place, nodes=100, deadline=Deadline.scaled(60)) as fleet,
    ):
        Deadline.scaled(30).wait_for("its end", lambda: None, watch=fleet.check)


def test_a_fleet_does_not_shrink(fleet: Fleet) -> None:
    with pytest.raises(InputError):
        fleet.grow(2, Deadline.scaled(10))


def test_a_cluster_without_twins_gets_none(place: FleetPlace) -> None:
    bare = replace(place, twins=False)
    with fleet_beside(bare, nodes=1, deadline=Deadline.scaled(60)) as fleet:
        with pytest.raises(InputError):
            fleet.add_twins(1, Deadline.scaled(10))
        assert "DeviceStatus" not in (bare.folder / "kwok.yaml").read_text()


# -- while the cluster's authority is replaced -------------------------------------------------


def access_of(place: FleetPlace) -> HostAccess:
    return HostAccess(place.kubeconfig)


def goes_by_what_stands_there(place: FleetPlace) -> None:
    Deadline.scaled(30).wait_for("it is taken", lambda: access_of(place).is_taken, every=0.02)


def test_a_fleet_whose_kubeconfig_is_another_begins_anew_and_says_so(
    place: FleetPlace, fleet: Fleet, cluster: FakeCluster
) -> None:
    access, before = access_of(place), fleet.pid
    assert access.is_taken
    access.show(place.pki.authority(CLUSTER).impostor().issue(access.spec))
    goes_by_what_stands_there(place)
    assert fleet.pid != before
    fleet.check()
    # Else the new kwok would wait until those of the former one have run out.
    assert [args[0] for args in cluster.deleted] == ["leases"]
    assert set(fleet.names) <= set(cluster.deleted[0])
    subject = identity_of(place.kubeconfig.read_bytes()).certificate.subject.rfc4514_string()
    assert USER in subject
    assert GROUP in subject


def test_who_sees_that_a_kubeconfig_is_taken_finds_the_kwok_that_has_taken_it(
    place: FleetPlace, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[int] = []
    genuine = HostAccess.mark_taken

    def mark(access: HostAccess, content: bytes) -> None:
        genuine(access, content)
        found.append(fleet.pid)

    monkeypatch.setattr(HostAccess, "mark_taken", mark)
    access, before = access_of(place), fleet.pid
    access.show(place.pki.authority(CLUSTER).impostor().issue(access.spec))
    goes_by_what_stands_there(place)
    Deadline.scaled(30).wait_for("it is marked", lambda: found)
    assert before not in found


def test_a_silent_fleet_takes_another_kubeconfig_when_it_is_woken(
    place: FleetPlace, fleet: Fleet
) -> None:
    fleet.silence()
    access, before = access_of(place), fleet.pid
    access.show(place.pki.authority(CLUSTER).impostor().issue(access.spec))
    with pytest.raises(DeadlineExceeded):
        Deadline.after(SHORT).wait_for("it is taken", lambda: access.is_taken)
    assert fleet.pid == before
    fleet.wake()
    assert access.is_taken
    assert fleet.pid != before


def test_a_fleet_that_is_put_back_shows_what_it_has_shown_first(
    place: FleetPlace, fleet: Fleet, cluster: FakeCluster
) -> None:
    """A lab that was restored knows the first authority alone."""
    access, first = access_of(place), place.kubeconfig.read_bytes()
    access.show(place.pki.authority(CLUSTER).impostor().issue(access.spec))
    goes_by_what_stands_there(place)
    cluster.nodes.clear()
    fleet.restore(Deadline.scaled(60))
    assert place.kubeconfig.read_bytes() == first
    assert access.is_taken
    assert access.is_original


def test_nothing_is_left_of_what_it_was_let_in_by(place: FleetPlace) -> None:
    with fleet_beside(place, nodes=1, deadline=Deadline.scaled(60)):
        access = access_of(place)
        access.show(place.pki.authority(CLUSTER).impostor().issue(access.spec))
    assert [path.name for path in place.folder.iterdir()] == ["kwok.yaml"]


def test_no_fleet_begins_while_the_authority_is_being_replaced(place: FleetPlace) -> None:
    (place.run / "kubeconfig.original").touch()
    with (
        pytest.raises(InputError) as caught,
        fleet_beside(place, nodes=1, deadline=Deadline.scaled(60)),
    ):
        pass
    assert caught.value.remedy
    assert not list(processes_of(place.run))
