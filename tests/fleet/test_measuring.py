"""Loads and herds as they are measured, of a fleet and a cluster that are made up."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from edge_lab.cluster.watch import Watch
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import DeadlineExceeded, LabError
from edge_lab.fleet import measuring
from edge_lab.fleet.fleet import Growth
from edge_lab.fleet.measuring import FleetMeasuring
from edge_lab.observe.fleet.feeds import Readiness
from edge_lab.oracles.fleet import judge_herd
from tests.fleet.evidence import moment
from tests.observe.fakes import FakeKubectl
from tests.observe.fleet.test_apimetrics import metrics

NODE, POD = "hollow-00001", "pod-hollow-00001"


class FakeCluster(FakeKubectl):
    """Of one node with one pod; it answers in time, but for a server that is slow to be looked
    at."""

    def __init__(self) -> None:
        super().__init__(listed={"pods": [{"metadata": {"name": POD}}]})
        self.asked: list[int] = []
        self.watched: Counter[str] = Counter()
        self.clock: Any = time

    def watch(self, *what: str) -> Watch:
        self.watched[what[0]] += 1
        return super().watch(*what)

    def raw(self, path: str, deadline: Deadline) -> str:
        self.asked.append(self.clock.time_ns())
        return metrics((0, 9 * len(self.asked), 9 * len(self.asked)))

    def ready(self, status: str) -> None:
        conditions = [{"type": "Ready", "status": status}]
        document = {"metadata": {"name": NODE}, "status": {"conditions": conditions}}
        self.tell("nodes", "MODIFIED", document)

    def renew(self, when: str) -> None:
        self.tell("leases", "MODIFIED", {"metadata": {"name": NODE}, "spec": {"renewTime": when}})

    def show_pod(self) -> None:
        self.tell("pods", "ADDED", {"metadata": {"name": POD}, "spec": {"nodeName": NODE}})


class FakeFleet:
    """Of one node."""

    names, size, twins, pods, pid = (NODE,), 1, 0, 1, os.getpid()

    def __init__(self, cluster: FakeCluster, readiness: Readiness) -> None:
        self.readiness = readiness
        self.cluster = cluster
        self.place = SimpleNamespace(
            kubectl=cluster,
            runtime="kubernetes+kubelet",
            server="server",
            accelerator="",
            renew_every_s=5.0,
            real_nodes=0,
        )
        self.is_silenced = False
        self.breaks_watch = False

    def check(self) -> None:
        """It never ends."""

    def silence(self) -> int:
        self.is_silenced = True
        self.cluster.ready("Unknown")
        if self.breaks_watch:
            self.cluster.told["pods"].put(None)
            # One that has broken is counted before it is begun anew.
            again = Deadline.scaled(30)
            again.wait_for("it is begun anew", lambda: self.cluster.watched["pods"] > 1)
        Deadline.scaled(30).wait_for("it is lost", lambda: not self.readiness.ready(), every=0.01)
        return time.time_ns()

    def wake(self) -> int:
        woken = time.time_ns()
        self.cluster.renew("2")
        self.cluster.ready("True")
        return woken


class SlowServer:
    def look(self, deadline: Deadline) -> Any:
        time.sleep(0.2)
        return moment(time.time())


@pytest.fixture
def fleet() -> Iterator[FakeFleet]:
    cluster = FakeCluster()
    cluster.ready("True")
    cluster.renew("1")
    kubectl: Any = cluster
    with Readiness(kubectl, "l=v") as readiness:
        Deadline.scaled(30).wait_for("it is Ready", readiness.ready, every=0.01)
        yield FakeFleet(cluster, readiness)


def measured(fleet: Any) -> FleetMeasuring:
    return FleetMeasuring(fleet, SlowServer())


def test_a_herd_whose_evictions_were_watched_is_evidence(fleet: FakeFleet) -> None:
    fleet.cluster.show_pod()
    herd = measured(fleet).herd(0.0, 0.0)
    assert herd.watch_breaks == 0
    assert judge_herd(herd).passed


def test_a_watch_of_evictions_that_breaks_in_the_silence_leaves_no_evidence(
    fleet: FakeFleet,
) -> None:
    fleet.cluster.show_pod()
    fleet.breaks_watch = True
    herd = measured(fleet).herd(0.0, 0.0)
    assert herd.watch_breaks == 1
    with pytest.raises(LabError):
        judge_herd(herd)


def test_nothing_is_silenced_before_evictions_are_watched(
    fleet: FakeFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "LOOK_SECONDS", 0.3)
    with pytest.raises(DeadlineExceeded):
        measured(fleet).herd(0.0, 0.0)
    assert not fleet.is_silenced


class Clock:
    """It goes on by what is waited for alone."""

    def __init__(self) -> None:
        self.seconds = time.time()

    def time_ns(self) -> int:
        return round(self.seconds * 1e9)

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


class SlowlyEnding:
    """A server that is slow to be looked at, the second time."""

    def __init__(self, clock: Clock) -> None:
        self.looks = 0
        self._clock = clock

    def look(self, deadline: Deadline) -> Any:
        self.looks += 1
        if self.looks > 1:
            self._clock.sleep(1.0)
        return moment(self.looks)


def test_a_load_lasts_from_one_count_of_requests_to_the_other(
    fleet: FakeFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = fleet.cluster.clock = Clock()
    monkeypatch.setattr(measuring, "time", clock)
    fakes: Any = fleet
    load = FleetMeasuring(fakes, SlowlyEnding(clock)).held(0.5, Growth(1.0))
    first, last = fleet.cluster.asked
    assert load.seconds == pytest.approx((last - first) / 1e9, abs=1e-3)
    assert load.seconds == pytest.approx(0.5, abs=1e-3)
