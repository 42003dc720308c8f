"""What an observation log keeps: changes, by kind and subject."""

from __future__ import annotations

from edge_lab.evidence.recording import ApiSeen, NodeSeen, PodSeen
from edge_lab.observe.log import ObservationLog
from tests.oracles.recordings import NAMESPACE, NODE, POD, pod, ready


def log_of(*seen: ApiSeen | NodeSeen | PodSeen) -> ObservationLog:
    log = ObservationLog()
    for each in seen:
        log.add(each)
    return log


def test_what_says_nothing_new_is_left_out() -> None:
    first, same, other, again = ready((1, "True"), (2, "True"), (3, "Unknown"), (4, "True"))
    assert log_of(first, same, other, again).in_order() == [first, other, again]


def test_the_newest_is_kept_by_kind_and_subject() -> None:
    (here,) = ready((1, "True"))
    (there,) = ready((1, "False"), node="edge-riscv")
    first, second = pod(1, "uid-1"), pod(2, "uid-2")
    log = log_of(here, there, first, second, ApiSeen(time=1, answered=True))
    assert log.newest(NodeSeen, NODE) == here
    assert log.newest(NodeSeen, "edge-riscv") == there
    assert log.newest(NodeSeen, "server") is None
    assert log.newest(PodSeen, NAMESPACE, POD, "uid-1") == first
    assert log.newest(ApiSeen) is not None
    assert log.all_newest(PodSeen) == [first, second]


def test_all_is_given_in_the_order_of_time() -> None:
    late, early = pod(9, "uid-2"), pod(1)
    assert log_of(late, early).in_order() == [early, late]
