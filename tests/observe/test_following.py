"""Following objects: watches that are lost, and events that are not understood."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from edge_lab.addons.twins.client import STATUSES
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.observe import following
from edge_lab.observe.following import Follower, Stamp, stamp
from edge_lab.observe.twinwatch import TwinWatch
from tests.observe.fakes import FakeKubectl


class Names(Follower):
    """The names of nodes, in order; an event without a name is not understood."""

    def __init__(self, kubectl: FakeKubectl, *, again_every: float | None = 0.01) -> None:
        super().__init__(kubectl, "nodes", again_every=again_every)
        self.seen: list[str] = []

    def note(self, event: str, item: Mapping[str, Any], at: Stamp) -> None:
        self.seen.append(item["metadata"]["name"])


def node(name: str) -> dict[str, Any]:
    return {"metadata": {"name": name}}


@pytest.fixture
def kubectl() -> FakeKubectl:
    return FakeKubectl()


def soon(what: str, probe: Any) -> None:
    Deadline.after(60).wait_for(what, probe, every=0.01)


def test_a_watch_that_is_lost_is_restarted(kubectl: FakeKubectl) -> None:
    with Names(kubectl) as names:
        kubectl.tell("nodes", "ADDED", node("a"))
        kubectl.told["nodes"].put(None)
        kubectl.tell("nodes", "ADDED", node("b"))
        soon("both", lambda: names.seen == ["a", "b"])
        names.check()
        assert names.breaks == 1
    assert names.breaks == 1
    assert not names.ended
    assert not names._thread.is_alive()


def test_a_watch_that_is_not_restarted_says_that_it_has_ended(kubectl: FakeKubectl) -> None:
    with Names(kubectl, again_every=None) as names:
        names.check()
        kubectl.told["nodes"].put(None)
        soon("the end", lambda: names.ended)
        with pytest.raises(LabError, match="the watch on nodes has ended"):
            names.check()


def test_the_end_of_the_block_is_no_loss(kubectl: FakeKubectl) -> None:
    with Names(kubectl, again_every=None) as names:
        pass
    names.check()
    assert not names.ended
    assert names.breaks == 0


def until_not_understood(names: Names, kubectl: FakeKubectl) -> None:
    kubectl.tell("nodes", "ADDED", {"metadata": {}})
    soon("the end", lambda: names.ended)


def test_an_event_that_is_not_understood_is_an_error_of_the_lab(kubectl: FakeKubectl) -> None:
    names = Names(kubectl)
    with pytest.raises(LabError, match="is not understood: KeyError"), names:
        until_not_understood(names, kubectl)
    with pytest.raises(LabError, match="is not understood"):
        names.check()


def test_it_does_not_hide_the_error_of_the_block(kubectl: FakeKubectl) -> None:
    names = Names(kubectl)

    def fail() -> None:
        until_not_understood(names, kubectl)
        raise ValueError("of the block")

    with pytest.raises(ValueError, match="of the block"), names:
        fail()


def test_the_initial_state_of_twins_is_no_observation(kubectl: FakeKubectl) -> None:
    twin = {"metadata": {"name": "boiler", "namespace": "devices"}, "status": {}}
    with TwinWatch(kubectl) as watch:
        for event in ("ADDED", "MODIFIED", "ADDED", "DELETED"):
            kubectl.tell(STATUSES, event, twin)
        soon("both changes", lambda: len(watch.sightings("boiler")) == 2)
        assert watch.sightings("press") == ()
    assert len(watch.sightings("boiler")) == 2


def test_two_clocks_that_were_not_read_at_once_are_read_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else a thread that has to wait between the two looks like a clock that was set."""
    monotonic = iter((0, 50_000_000, 60_000_000, 60_000_100))
    wall = iter((7_000_000_000, 7_060_000_050))
    clocks = SimpleNamespace(monotonic_ns=lambda: next(monotonic), time_ns=lambda: next(wall))
    monkeypatch.setattr(following, "time", clocks)
    assert stamp() == (7_060_000_050, 60_000_000)
