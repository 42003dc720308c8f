"""How much a control plane carries: what ends the search, and the objects that make the load."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from suites.memory.carrying import Health, carried
from suites.memory.hollow import hollow_node, hollow_pod, lease, node_name

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
    ],
)
def test_each_thing_that_gives_way_ends_the_search(ill: Callable[[Health], Health]) -> None:
    assert WELL.problems == ()
    found = carried(str, lambda: ill(WELL), most=3)
    assert (found.batches, found.health) == (0, None)
    assert len(found.stopped_by) == 1


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
