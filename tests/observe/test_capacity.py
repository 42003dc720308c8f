"""How much a control plane carries: what ends the search, and the objects that make the load."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from suites.memory import watched as watching
from suites.memory.carrying import Health, carried
from suites.memory.hollow import HollowNodes, hollow_node, hollow_pod, lease, node_name

WELL = Health(available_mib=900.0, slowest_s=0.1, not_ready=(), kills=0, restarts=0)


class Growing:
    """A server that loses 200 MiB a batch."""

    def __init__(self) -> None:
        self.batches = 0

    def add(self) -> str:
        self.batches += 1
        return ""

    def look(self) -> Health:
        return replace(WELL, available_mib=900.0 - 200 * self.batches)


def test_the_last_load_that_was_carried_counts() -> None:
    server = Growing()
    found = carried(server.add, server.look, most=10)
    assert (found.batches, server.batches) == (4, 5)
    assert found.health is not None
    assert found.health.available_mib == 100
    assert len(found.stopped_by) == 1


def test_a_control_plane_that_carries_all_was_stopped_by_nothing() -> None:
    server = Growing()
    found = carried(server.add, lambda: WELL, most=3)
    assert (found.batches, server.batches, found.stopped_by) == (3, 3, ())


@pytest.mark.parametrize(
    "ill",
    [
        lambda well: replace(well, available_mib=99.0),
        lambda well: replace(well, slowest_s=float("inf")),
        lambda well: replace(well, not_ready=("hollow-0001",)),
        lambda well: replace(well, kills=1),
        lambda well: replace(well, restarts=1),
        lambda well: replace(well, rebooted=True),
        lambda well: replace(well, unanswered=("memory",)),
        lambda well: replace(well, available_mib=0.0),
    ],
)
def test_each_thing_that_gives_way_ends_the_search(ill: Callable[[Health], Health]) -> None:
    assert WELL.problems == ()
    found = carried(str, lambda: ill(WELL), most=3)
    assert (found.batches, found.health) == (0, None)
    assert len(found.stopped_by) == 1


class Server:
    """What `Watched` asks; what is None is not answered."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.mib: float | None = 900.0
        self.log: str | None = "booted\nOut of memory: Killed process 1 (a)\n"
        self.restarts: str | None = "1 0"
        self.boot = "a-boot"
        monkeypatch.setattr(watching, "available_mib", lambda *_: self.mib)
        monkeypatch.setattr(watching, "kernel_log", lambda *_: self.log or "")

    def output(self, command: str) -> str:
        if self.restarts is None:
            raise LabError("planted")
        return f"{self.boot}\n{self.restarts}"

    def watched(self) -> watching.Watched:
        def get_json(*_: str, deadline: Deadline) -> dict[str, Any]:
            return {}

        def items(*_: str, deadline: Deadline) -> list[dict[str, Any]]:
            return []

        lab = SimpleNamespace(
            topology=SimpleNamespace(timing=SimpleNamespace(node_monitor_grace=0.0)),
            platform=SimpleNamespace(units=lambda _: {"server": ["unit"]}),
            kubectl=SimpleNamespace(get_json=get_json, items=items),
        )
        server = SimpleNamespace(name="server", output=self.output)
        return watching.Watched(cast("Any", lab), cast("Any", server), Deadline.after)


@pytest.mark.parametrize("what", ["mib", "log", "restarts"])
def test_a_server_that_does_not_answer_is_what_gave_way_but_not_at_first(
    what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server(monkeypatch)
    watched = server.watched()
    assert watched.look().problems == ()
    setattr(server, what, None)
    health = watched.look()
    assert (len(health.unanswered), len(health.problems)) == (1, 1)
    assert (health.kills, health.restarts) == (0, 0)
    with pytest.raises(LabError):
        server.watched()


def test_kills_and_restarts_are_counted_from_the_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(monkeypatch)
    watched = server.watched()
    server.log, server.mib = "a truncated log", 0.0
    health = watched.look()
    assert (health.kills, health.restarts, health.available_mib) == (0, 0, 0.0)
    server.log, server.restarts = "Out of memory: Killed process 1 (a)\n" * 3, "1 2"
    health = watched.look()
    assert (health.kills, health.restarts) == (2, 2)


@pytest.mark.parametrize("restarts", ["0 0", "1 0"])
def test_a_reboot_hides_no_restart(restarts: str, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(monkeypatch)
    watched = server.watched()
    server.boot, server.restarts = "another-boot", restarts
    health = watched.look()
    assert health.rebooted
    assert health.restarts == int(restarts[0])
    assert "the server was rebooted" in health.problems


class Cluster:
    """Takes what is created; refuses pods."""

    def __init__(self) -> None:
        self.kinds: list[set[str]] = []

    def run(self, *_: str, deadline: Deadline, input: str, waits: bool) -> None:
        self.kinds.append({document["kind"] for document in yaml.safe_load_all(input)})
        if "Pod" in self.kinds[-1]:
            raise LabError("planted")


def test_leases_of_a_batch_are_renewed_before_its_pods_are_there() -> None:
    cluster = Cluster()
    lab = SimpleNamespace(
        kubectl=cluster, topology=SimpleNamespace(timing=SimpleNamespace(node_lease=20.0))
    )
    hollow = HollowNodes(cast("Any", lab))
    with pytest.raises(LabError):
        hollow.add(5, 20)
    assert cluster.kinds == [{"Node", "Lease"}, {"Pod"}]
    assert hollow.count == 5


def test_a_batch_that_is_refused_ends_the_search() -> None:
    answers = iter(["", "too many requests"])
    found = carried(lambda: next(answers), lambda: WELL, most=3)
    assert (found.batches, found.stopped_by) == (1, ("too many requests",))


def test_pods_are_on_their_hollow_node_and_nobody_else_is() -> None:
    node, pod, renewed = hollow_node(3), hollow_pod(3, 7), lease(3, 20.0)
    assert node["metadata"]["name"] == pod["spec"]["nodeName"] == node_name(3)
    assert renewed["metadata"]["name"] == renewed["spec"]["holderIdentity"] == node_name(3)
    assert node["spec"]["taints"][0]["effect"] == "NoSchedule"
    assert renewed["spec"]["renewTime"].endswith("Z")
