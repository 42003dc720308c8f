"""Watches: until they are closed, or the API server goes away."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from edge_lab.cluster.kubectl import Kubectl
from edge_lab.cluster.watch import Watch
from edge_lab.core.deadline import Deadline
from tests.cluster.api_server import NO_SUCH_PATH, Answer, ApiServer, status

NODES = "GET /api/v1/nodes"
GONE = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}


def event(kind: str, name: str, version: int) -> dict[str, Any]:
    return {"type": kind, "object": {"metadata": {"name": name, "resourceVersion": str(version)}}}


def told(watch: Watch) -> list[tuple[str, str]]:
    return [(kind, item["metadata"]["name"]) for kind, item in watch]


def test_it_goes_on_where_it_was_when_the_server_ends_it_in_good_order(
    api: ApiServer, kubectl: Kubectl
) -> None:
    first = Answer(events=[event("ADDED", "a", 7), event("MODIFIED", "a", 9)])
    second = Answer(events=[event("DELETED", "a", 12)])
    api.answer(NODES, first, second, Answer(events=[], breaks_off=True))
    watch = kubectl.watch("nodes")
    assert told(watch) == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]
    assert watch.ended
    assert watch.trouble is not None
    versions = [asked.query.get("resourceVersion") for asked in api.asked]
    assert versions == [None, ["9"], ["12"]]
    assert all(asked.query["watch"] == ["true"] for asked in api.asked)
    assert {asked.connection for asked in api.asked} == {1}


@pytest.mark.parametrize(
    "end",
    [
        Answer(events=[{"type": "ERROR", "object": GONE}]),
        status(410, "Expired"),
        NO_SUCH_PATH,
        status(500),
        Answer(events=["no event"]),
        Answer(events=[event("ADDED", "b", 9)], breaks_off=True),
    ],
    ids=["gone", "gone at once", "no such kind", "error", "no event", "broken off"],
)
def test_it_ends_when_only_a_list_can_tell_what_has_happened(
    api: ApiServer, kubectl: Kubectl, end: Answer
) -> None:
    api.answer(NODES, Answer(events=[event("ADDED", "a", 7)]), end)
    watch = kubectl.watch("nodes")
    assert told(watch)[0] == ("ADDED", "a")
    assert watch.trouble is not None
    assert watch.ended
    assert len(api.asked) == 2


def test_another_thread_ends_it_at_once(api: ApiServer, kubectl: Kubectl, soon: Deadline) -> None:
    stays, seen = threading.Event(), threading.Event()
    api.answer(NODES, Answer(events=[event("ADDED", "a", 7)], stays=stays))
    watch = kubectl.watch("nodes")

    def follow() -> None:
        for _ in watch:
            seen.set()

    thread = threading.Thread(target=follow)
    thread.start()
    assert seen.wait(soon.remaining)
    assert not watch.ended
    watch.close()
    thread.join(soon.remaining)
    assert not thread.is_alive()
    assert watch.trouble is None
    stays.set()


def test_one_that_was_closed_before_asks_nobody(api: ApiServer, kubectl: Kubectl) -> None:
    with kubectl.watch("nodes") as watch:
        pass
    assert list(watch) == []
    assert watch.ended
    assert api.asked == []


def test_one_without_a_kubeconfig_ends(kubectl: Kubectl) -> None:
    kubectl.kubeconfig.unlink()
    watch = kubectl.watch("nodes")
    assert told(watch) == []
    assert watch.trouble is not None


def test_it_ends_with_its_server(api: ApiServer, kubectl: Kubectl, soon: Deadline) -> None:
    stays, seen = threading.Event(), threading.Event()
    api.answer(NODES, Answer(events=[event("ADDED", "a", 7)], stays=stays))
    watch = kubectl.watch("nodes")

    def follow() -> None:
        for _ in watch:
            seen.set()

    thread = threading.Thread(target=follow)
    thread.start()
    assert seen.wait(soon.remaining)
    api.stop()
    thread.join(soon.remaining)
    stays.set()
    assert watch.trouble is not None
    api.start()
    api.answer(NODES, Answer(events=[event("ADDED", "b", 8)]), status(410))
    assert told(kubectl.watch("nodes")) == [("ADDED", "b")]


def test_a_server_that_falls_silent_ends_it(
    api: ApiServer, kubectl: Kubectl, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edge_lab.cluster import client

    monkeypatch.setattr(client, "WATCH_SECONDS", 0)
    stays = threading.Event()
    api.answer(NODES, Answer(events=[], stays=stays))
    watch = kubectl.watch("nodes")
    assert told(watch) == []
    assert watch.trouble is not None
    stays.set()
