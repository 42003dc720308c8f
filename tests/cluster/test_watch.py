"""Watches: until they are closed, or the API server goes away."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import Any

import pytest

from edge_lab.cluster import client
from edge_lab.cluster.kubectl import Kubectl, StatusError
from edge_lab.cluster.watch import Watch
from edge_lab.core.deadline import Deadline
from tests.cluster.api_server import NO_SUCH_PATH, Answer, ApiServer, status

slow = pytest.mark.slow(reason="a server that is silent for real seconds")

LIST = "GET /api/v1/nodes"
NODES = "WATCH /api/v1/nodes"
GONE = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}


def event(kind: str, name: str, version: int) -> dict[str, Any]:
    return {"type": kind, "object": {"metadata": {"name": name, "resourceVersion": str(version)}}}


def listed(version: int, **versions: int) -> Answer:
    """A list at `version`, of nodes with versions of their own."""
    items = [
        {"metadata": {"name": name, "resourceVersion": str(at)}} for name, at in versions.items()
    ]
    return Answer({"metadata": {"resourceVersion": str(version)}, "items": items})


@pytest.fixture(autouse=True)
def _nothing_is_there(api: ApiServer) -> None:
    api.answer(LIST, listed(5))


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
    assert versions == [None, ["5"], ["9"], ["12"]]
    assert all(asked.query["watch"] == ["true"] for asked in api.asked[1:])
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
    assert len(api.asked) == 3


def test_a_history_that_begins_later_has_its_code(api: ApiServer, kubectl: Kubectl) -> None:
    for end in (Answer(events=[{"type": "ERROR", "object": GONE}]), status(410, "Expired")):
        api.answer(NODES, end)
        watch = kubectl.watch("nodes")
        assert told(watch) == []
        assert isinstance(watch.trouble, StatusError)
        assert (watch.trouble.code, watch.trouble.reason) == (410, "Expired")


def test_it_goes_on_from_the_list_whatever_versions_its_objects_have(
    api: ApiServer, kubectl: Kubectl
) -> None:
    """An object that was not changed for long has a version that is not known any more."""
    api.answer(LIST, listed(90, young=80, old=3))
    api.answer(NODES, Answer(events=[]), status(410, "Expired"))
    watch = kubectl.watch("nodes")
    assert [(kind, item["kind"], item["metadata"]["name"]) for kind, item in watch] == [
        ("ADDED", "Node", "young"),
        ("ADDED", "Node", "old"),
    ]
    assert [asked.query["resourceVersion"] for asked in api.asked[1:]] == [["90"], ["90"]]


def test_bookmarks_are_asked_for_and_moved_on_to_but_nobody_hears_of_them(
    api: ApiServer, kubectl: Kubectl
) -> None:
    bookmark = {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "70"}}}
    api.answer(NODES, Answer(events=[event("ADDED", "a", 7), bookmark]), status(410, "Expired"))
    assert told(kubectl.watch("nodes")) == [("ADDED", "a")]
    assert [asked.query["resourceVersion"] for asked in api.asked[1:]] == [["5"], ["70"]]
    assert "allowWatchBookmarks" not in api.asked[0].query
    assert all(asked.query["allowWatchBookmarks"] == ["true"] for asked in api.asked[1:])


@pytest.mark.parametrize("code", [429, 503])
def test_a_server_that_wants_to_be_asked_again_does_not_end_it(
    api: ApiServer, kubectl: Kubectl, code: int
) -> None:
    later = Answer("", code, {"Retry-After": "0"})
    api.answer(LIST, later, listed(5, a=4))
    api.answer(NODES, later, Answer(events=[event("ADDED", "b", 7)]), later, status(410))
    assert told(kubectl.watch("nodes")) == [("ADDED", "a"), ("ADDED", "b")]
    versions = [asked.query.get("resourceVersion") for asked in api.asked]
    assert versions == [None, None, ["5"], ["5"], ["7"], ["7"]]
    assert {asked.connection for asked in api.asked} == {1}


@pytest.mark.parametrize("after", ["", "3600", "soon"])
def test_a_server_that_is_not_ready_soon_ends_it(
    api: ApiServer, kubectl: Kubectl, after: str
) -> None:
    api.answer(NODES, Answer("", 429, {"Retry-After": after}))
    watch = kubectl.watch("nodes")
    assert told(watch) == []
    assert isinstance(watch.trouble, StatusError)
    assert watch.trouble.code == 429
    assert len(api.asked) == 2


def test_one_that_waits_to_ask_again_is_ended_at_once(
    api: ApiServer, kubectl: Kubectl, soon: Deadline
) -> None:
    asked = threading.Event()
    api.answer(NODES, Answer("", 429, {"Retry-After": "30"}, wait=asked.set))
    watch = kubectl.watch("nodes")
    thread = threading.Thread(target=told, args=(watch,))
    thread.start()
    assert asked.wait(soon.remaining)
    watch.close()
    thread.join(soon.remaining)
    assert not thread.is_alive()
    assert watch.trouble is None


def test_a_list_without_a_version_ends_it(api: ApiServer, kubectl: Kubectl) -> None:
    api.answer(LIST, Answer({"items": []}))
    watch = kubectl.watch("nodes")
    assert told(watch) == []
    assert watch.trouble is not None
    assert len(api.asked) == 1


def following(watch: Watch, seen: threading.Event) -> threading.Thread:
    """A thread that reads the events; `seen` is set at each."""

    def follow() -> None:
        for _ in watch:
            seen.set()

    thread = threading.Thread(target=follow)
    thread.start()
    return thread


def test_another_thread_ends_it_at_once(api: ApiServer, kubectl: Kubectl, soon: Deadline) -> None:
    stays, seen = threading.Event(), threading.Event()
    api.answer(NODES, Answer(events=[event("ADDED", "a", 7)], stays=stays))
    watch = kubectl.watch("nodes")
    thread = following(watch, seen)
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
    thread = following(watch, seen)
    assert seen.wait(soon.remaining)
    api.stop()
    thread.join(soon.remaining)
    stays.set()
    assert watch.trouble is not None
    api.start()
    api.answer(NODES, Answer(events=[event("ADDED", "b", 8)]), status(410))
    assert told(kubectl.watch("nodes")) == [("ADDED", "b")]


@slow
@pytest.mark.parametrize("silent", ["the list", "before the first event", "after it", "the next"])
def test_a_server_that_falls_silent_ends_it(
    api: ApiServer,
    kubectl: Kubectl,
    soon: Deadline,
    monkeypatch: pytest.MonkeyPatch,
    silent: str,
) -> None:
    """The machine is paused, or a link is cut: no end of the connection ever comes."""
    stays = threading.Event()
    first = Answer(events=[event("ADDED", "a", 7)])
    hanging = {
        "the list": (LIST, [Answer(wait=stays.wait)]),
        "before the first event": (NODES, [Answer(events=[], stays=stays)]),
        "after it": (NODES, [replace(first, stays=stays)]),
        "the next": (NODES, [first, Answer(wait=stays.wait)]),
    }
    request, answers = hanging[silent]
    monkeypatch.setattr(client, "WATCH_SECONDS", 1)
    monkeypatch.setattr(client, "SILENCE_SECONDS", 0.0)
    expected = [("ADDED", "a")] if silent in ("after it", "the next") else []
    for _ in range(5):  # on a busy host, what is not silent may take a second too
        api.answer(request, *answers)
        watch = kubectl.watch("nodes")
        began = time.monotonic()
        found = told(watch)
        if found == expected:
            break
    assert found == expected
    assert time.monotonic() - began < soon.total
    assert watch.ended
    assert watch.trouble is not None
    stays.set()
