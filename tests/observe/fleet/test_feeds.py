"""What is seen of hollow nodes: who is Ready, who has renewed, whose pods go."""

from __future__ import annotations

import time
from typing import Any

import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.observe.fleet.feeds import Evictions, Readiness, Renewals
from tests.observe.fakes import FakeKubectl

HOLLOW = "hollow-00001"


def node(ready: str, name: str = HOLLOW) -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": ready}]
    return {"metadata": {"name": name}, "status": {"conditions": conditions}}


def lease(renewed: str) -> dict[str, Any]:
    return {"metadata": {"name": HOLLOW}, "spec": {"renewTime": renewed}}


def pod(name: str = "pod", at: str = HOLLOW, **meta: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, **meta}, "spec": {"nodeName": at}}


@pytest.fixture
def kubectl() -> Any:
    return FakeKubectl()


def soon(seen: Any) -> None:
    Deadline.scaled(30).wait_for("it is seen", seen)


def test_a_node_that_ceases_to_be_ready_is_lost_since_then(kubectl: Any) -> None:
    with Readiness(kubectl, "l=v") as readiness:
        began = time.time_ns()
        kubectl.told["nodes"].put(("ADDED", node("False")))
        kubectl.told["nodes"].put(("MODIFIED", node("True")))
        soon(lambda: readiness.ready() == {HOLLOW})
        assert readiness.lost_since(began) == ()  # it had not been Ready before
        kubectl.told["nodes"].put(("MODIFIED", node("Unknown")))
        soon(lambda: not readiness.ready())
        assert readiness.lost_since(began) == (HOLLOW,)
        kubectl.told["nodes"].put(("MODIFIED", node("True")))
        soon(readiness.ready)
        assert readiness.ready_since()[HOLLOW] > began
        assert readiness.lost_since(time.time_ns()) == ()


def test_a_node_is_untainted_once_no_taint_evicts(kubectl: Any) -> None:
    def tainted(*effects: str) -> dict[str, Any]:
        return {**node("True"), "spec": {"taints": [{"effect": effect} for effect in effects]}}

    with Readiness(kubectl, "l=v") as readiness:
        kubectl.told["nodes"].put(("ADDED", tainted("NoSchedule", "NoExecute")))
        soon(readiness.ready)
        assert readiness.untainted_since() == {}
        began = time.time_ns()
        kubectl.told["nodes"].put(("MODIFIED", tainted("NoSchedule")))
        soon(readiness.untainted_since)
        since = readiness.untainted_since()
        assert since[HOLLOW] >= began
        kubectl.told["nodes"].put(("MODIFIED", tainted()))
        kubectl.told["nodes"].put(("ADDED", node("True", "hollow-00002")))
        soon(lambda: len(readiness.ready()) == 2)
        assert readiness.untainted_since()[HOLLOW] == since[HOLLOW]
        kubectl.told["nodes"].put(("MODIFIED", tainted("NoExecute")))
        soon(lambda: HOLLOW not in readiness.untainted_since())


def test_a_node_that_is_removed_or_forgotten_is_not_ready(kubectl: Any) -> None:
    with Readiness(kubectl, "l=v") as readiness:
        kubectl.told["nodes"].put(("ADDED", node("True")))
        kubectl.told["nodes"].put(("ADDED", node("True", "hollow-00002")))
        soon(lambda: len(readiness.ready()) == 2)
        readiness.forget([HOLLOW])
        assert readiness.ready() == {"hollow-00002"}
        kubectl.told["nodes"].put(("DELETED", node("True", "hollow-00002")))
        soon(lambda: not readiness.ready())


def test_a_watch_that_breaks_is_begun_anew(kubectl: Any) -> None:
    with Readiness(kubectl, "l=v") as readiness:
        kubectl.told["nodes"].put(None)
        kubectl.told["nodes"].put(("ADDED", node("True")))
        soon(readiness.ready)
        assert readiness.breaks == 1
    assert readiness.breaks == 1  # its end is no break


def test_only_what_is_renewed_after_the_beginning_counts_and_the_first_time(kubectl: Any) -> None:
    with Renewals(kubectl) as renewals:
        kubectl.told["leases"].put(("ADDED", lease("1")))
        kubectl.told["leases"].put(("MODIFIED", lease("2")))
        soon(renewals.first)
        renewals.begin()
        assert renewals.first() == {}
        kubectl.told["leases"].put(("MODIFIED", lease("2")))  # something else of it
        kubectl.told["leases"].put(("MODIFIED", lease("3")))
        soon(renewals.first)
        first = renewals.first()
        kubectl.told["leases"].put(("MODIFIED", lease("4")))
        kubectl.told["leases"].put(("ADDED", {**lease("1"), "metadata": {"name": "other"}}))
        soon(lambda: len(renewals.known()) == 2)
        assert renewals.first() == first


def test_pods_of_hollow_nodes_that_are_marked_or_gone_are_evicted(kubectl: Any) -> None:
    with Evictions(kubectl, "edge-lab-fleet", lambda name: name == HOLLOW) as evictions:
        kubectl.told["pods"].put(("ADDED", pod("stays")))
        kubectl.told["pods"].put(("MODIFIED", pod("other", at="edge-arm", deletionTimestamp="x")))
        kubectl.told["pods"].put(("MODIFIED", pod("marked", deletionTimestamp="x")))
        kubectl.told["pods"].put(("DELETED", pod("marked", deletionTimestamp="x")))
        kubectl.told["pods"].put(("DELETED", pod("gone")))
        soon(lambda: len(evictions.seen()) == 2)
        assert [eviction.pod for eviction in evictions.seen()] == ["marked", "gone"]


def test_an_eviction_says_when_and_why_it_was_decided(kubectl: Any) -> None:
    said = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "DeletionByTaintManager",
        "lastTransitionTime": "2026-01-02T03:04:05Z",
    }
    going = {**pod("marked", deletionTimestamp="x"), "status": {"conditions": [said]}}
    with Evictions(kubectl, "edge-lab-fleet", lambda name: name == HOLLOW) as evictions:
        kubectl.told["pods"].put(("MODIFIED", going))
        kubectl.told["pods"].put(("MODIFIED", pod("silent", deletionTimestamp="x")))
        soon(lambda: len(evictions.seen()) == 2)
        told, silent = evictions.seen()
    assert (told.decided, told.reason) == (1_767_323_045_000_000_000, "DeletionByTaintManager")
    assert (silent.decided, silent.no_later_than) == (None, silent.time)
