"""A watch on pods: what it has not seen happen is not stamped."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from edge_lab.cluster.watch import Event, Watch
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.observe.scheduling import podwatch
from edge_lab.observe.scheduling.podwatch import PodWatch
from edge_lab.oracles.scheduling.clock import ClockBounds
from edge_lab.oracles.scheduling.history import history_of
from edge_lab.oracles.scheduling.stages import Moment, PodStart, stages_of


def pod(*, node: str = "", phase: str = "Pending", ready: bool = False) -> dict[str, Any]:
    return {
        "metadata": {"name": "one", "uid": "u"},
        "spec": {"nodeName": node} if node else {},
        "status": {
            "phase": phase,
            "conditions": [{"type": "Ready", "status": str(ready)}],
        },
    }


STARTING: tuple[Event, ...] = (
    ("ADDED", pod()),
    ("MODIFIED", pod(node="edge-arm")),
    ("MODIFIED", pod(node="edge-arm", phase="Running")),
    ("MODIFIED", pod(node="edge-arm", phase="Running", ready=True)),
)


class Feed:
    """Brings what it is given, and then goes on until it is severed, or ends at once."""

    def __init__(self, events: tuple[Event, ...], goes_on: bool = True) -> None:
        self._events = events
        self._goes_on = goes_on
        self._severed = threading.Event()
        self.told = threading.Event()

    def __iter__(self) -> Iterator[Event]:
        yield from self._events
        self.told.set()
        if self._goes_on:
            self._severed.wait(600)

    def sever(self) -> None:
        self._severed.set()

    def close(self) -> None:
        pass


class FakeKubectl:
    def __init__(self, feed: Feed) -> None:
        self._feed = feed

    def watch(self, *args: str) -> Watch:
        return Watch(lambda: self._feed)


def watched(*events: Event, goes_on: bool = True) -> PodWatch:
    """After all of the events."""
    feed = Feed(events, goes_on)
    watch = PodWatch(FakeKubectl(feed), "edge-lab")
    with watch:
        assert feed.told.wait(60)
    return watch


def test_each_moment_is_stamped_when_it_is_seen_first() -> None:
    watch = watched(*STARTING, *STARTING[2:])
    moments = watch.moments("one")
    assert list(moments) == [Moment.CREATED, Moment.SCHEDULED, Moment.RUNNING, Moment.READY]
    assert sorted(moments.values()) == list(moments.values())
    startup = watch.startup_s("one")
    assert startup is not None
    assert startup == pytest.approx(
        (moments[Moment.RUNNING] - moments[Moment.CREATED]) / 1e9, abs=1
    )
    assert len(watch.events("one")) == len(STARTING) + 2
    assert watch.newest("one") == STARTING[-1][1]


def test_a_pod_that_is_bound_at_first_sight_was_not_scheduled() -> None:
    moments = watched(*STARTING[1:]).moments("one")
    assert Moment.SCHEDULED not in moments
    assert Moment.READY in moments


@pytest.mark.parametrize("missed", [1, 2])
def test_a_watch_that_misses_an_event_is_no_evidence(missed: int) -> None:
    """The planted defect: the pod gets there, and one event of its way is never seen."""
    events = [event for number, event in enumerate(STARTING) if number != missed]
    if missed == 1:  # the next one tells that it is bound, too late: not an error by itself
        events[1] = ("MODIFIED", pod(phase="Running"))
        events[2] = ("MODIFIED", pod(phase="Running", ready=True))
    else:
        events[2] = ("MODIFIED", pod(node="edge-arm", ready=True))
    watch = watched(*events)
    moments = watch.moments("one")
    start = PodStart(
        pod="one",
        node="edge-arm",
        arch="aarch64",
        runtime="runc",
        history=history_of(watch.events("one")),
        asked=0,
        moments=moments,
        clock=ClockBounds(0, 1),
    )
    with pytest.raises(LabError, match="no evidence"):
        stages_of(start)


def test_a_watch_that_ends_says_so() -> None:
    feed = Feed(STARTING, goes_on=False)
    with PodWatch(FakeKubectl(feed), "edge-lab") as watch:
        assert feed.told.wait(60)
        Deadline.after(60).wait_for("the end", lambda: watch.ended, every=0.01)
        with pytest.raises(LabError):
            watch.has("one", Moment.READY)


class RestartedServer:
    """Serves one feed after the other; refuses the connections in between."""

    def __init__(self, *feeds: Feed) -> None:
        self._feeds = list(feeds)
        self._refuses = True

    def watch(self, *args: str) -> Watch:
        def feed() -> Feed:
            self._refuses = not self._refuses
            if self._refuses:
                raise LabError("connection refused")
            return self._feeds.pop(0)

        return Watch(feed)


def test_a_watch_may_reconnect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(podwatch, "RECONNECT_EVERY", 0.01)
    before, after = Feed(STARTING[:2], goes_on=False), Feed(STARTING[3:])
    with PodWatch(RestartedServer(before, after), "edge-lab", reconnects=True) as watch:
        assert after.told.wait(60)
        assert watch.has("one", Moment.READY)
    moments = watch.moments("one")
    assert list(moments) == [Moment.CREATED, Moment.SCHEDULED, Moment.RUNNING, Moment.READY]
    assert not watch._thread.is_alive()


def test_what_is_gone_is_not_created_by_that() -> None:
    watch = watched(("DELETED", pod(node="edge-arm", phase="Running")))
    assert watch.moments("one") == {}
    assert watch.startup_s("one") is None
    assert watch.newest("nobody") is None
