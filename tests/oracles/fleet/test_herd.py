"""Whether a herd comes back, with each defect planted once."""

from __future__ import annotations

from typing import Any

import pytest

from edge_lab.core.errors import LabError
from edge_lab.evidence.fleet import Eviction, ServerLoad
from edge_lab.oracles.fleet import judge_herd
from tests.fleet.evidence import NODES, SECOND, calls, herd, moment


def _evicted(seconds_after_wake: float) -> Eviction:
    when = round((300 + seconds_after_wake) * SECOND)
    return Eviction(pod=f"pod-{NODES[0]}", node=NODES[0], time=when)


def _value(name: str, **change: Any) -> float | None:
    found = judge_herd(herd().altered(**change))
    return next(measure.value for measure in found.measures if name in measure.title)


def test_a_herd_that_is_back_passes() -> None:
    verdict = judge_herd(herd())
    assert verdict.passed, str(verdict)
    assert _value("all Ready again") == pytest.approx(2.0)
    assert _value("leases renewed") == pytest.approx(1.0)


def test_an_eviction_from_a_ready_node_that_is_still_tainted_is_counted() -> None:
    due = _evicted(3)
    assert judge_herd(herd().altered(evictions=(due,))).passed
    assert _value("evicted from Ready nodes", evictions=(due,)) == 1
    assert _value("removal of the taint") == pytest.approx(2.0)


def test_an_eviction_that_was_decided_before_and_carried_out_late_is_no_problem() -> None:
    late = _evicted(20).altered(decided=(300 + 1) * SECOND)
    assert judge_herd(herd().altered(evictions=(late,))).passed
    assert _value("decision to its mark", evictions=(late,)) == pytest.approx(19.0)


DEFECTS: dict[str, dict[str, Any]] = {
    "not Ready": {"not_ready": NODES[:1]},
    "lease not renewed": {"renewed": dict.fromkeys(NODES[1:], 301 * SECOND)},
    "evicted without a taint": {"evictions": (_evicted(5.5),)},
    "evicted by a later taint": {
        "evictions": (_evicted(3),),
        "tainted": dict.fromkeys(NODES, round(302.5 * SECOND)),
    },
    "still tainted": {"untainted": dict.fromkeys(NODES[1:], 304 * SECOND)},
    "eviction decided without a taint": {
        "evictions": (_evicted(20).altered(decided=306 * SECOND),)
    },
    "killed": {"load": ServerLoad(before=moment(), after=moment(30).altered(kills=1))},
}


@pytest.mark.parametrize("change", DEFECTS.values(), ids=list(DEFECTS))
def test_each_defect_is_found_by_itself(change: dict[str, Any]) -> None:
    assert len(judge_herd(herd().altered(**change)).problems) == 1


def test_evictions_of_lost_nodes_are_counted_and_no_problem() -> None:
    during, after = _evicted(-100), _evicted(1)
    assert judge_herd(herd().altered(evictions=(during, after))).passed
    assert _value("evicted while silent", evictions=(during, after)) == 1
    assert _value("evicted after", evictions=(during, after)) == 1


def test_an_eviction_from_a_node_that_was_never_lost_is_a_problem() -> None:
    nodes = (*NODES, *(f"more-{index}" for index in range(200)))
    ready = dict.fromkeys(nodes[1:], 302 * SECOND)
    found = herd().altered(
        nodes=nodes,
        lost=nodes[1:],
        renewed=dict.fromkeys(nodes, 301 * SECOND),
        ready=ready,
        untainted=dict.fromkeys(nodes, 304 * SECOND),
    )
    assert judge_herd(found).passed
    (problem,) = judge_herd(found.altered(evictions=(_evicted(-10),))).problems
    assert "not by the taint of the silence" in problem


def test_a_missed_objective_is_told_and_no_problem() -> None:
    slow = (calls("change", "all objects", p99_s=3),)
    verdict = judge_herd(herd().altered(objectives=slow))
    assert verdict.passed
    assert len(verdict.evidence) == 2


def test_nodes_that_are_not_back_leave_no_time_until_all_are() -> None:
    assert _value("all Ready again", not_ready=NODES[:1]) is None


@pytest.mark.parametrize(
    "holes",
    [{"lost": NODES[1:]}, {"objectives": ()}, {"datastore": ()}, {"watch_breaks": 1}],
    ids=["not taken for lost", "no requests", "no datastore", "evictions not watched"],
)
def test_evidence_with_holes_is_none(holes: dict[str, Any]) -> None:
    with pytest.raises(LabError):
        judge_herd(herd().altered(**holes))
