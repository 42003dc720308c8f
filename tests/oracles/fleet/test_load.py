"""Whether a fleet of one size holds, with each defect planted once; and where and why one fails."""

from __future__ import annotations

from typing import Any

import pytest

from edge_lab.core.errors import LabError
from edge_lab.evidence.fleet import FleetLoad, ProgramMoment, ServerLoad
from edge_lab.oracles.fleet import Cause, judge_load, scale_limit
from tests.fleet.evidence import SECOND, calls, load, moment


def test_a_fleet_that_holds_passes() -> None:
    verdict = judge_load(load())
    assert verdict.passed, str(verdict)
    assert verdict.size == 50


DEFECTS: dict[str, dict[str, Any]] = {
    "never ready": {"never_ready": ("hollow-00001",), "ready_after_s": None},
    "lost": {"lost": ("hollow-00001",)},
    "leases late": {"renewals": 500},
    "objective of all changes": {"objectives": (calls("change", "all objects", p99_s=1.2),)},
    "objective of all lists": {"objectives": (calls("list", "all objects", p99_s=31),)},
    "objective of one kind": {"calls": (calls("PUT", "leases", p99_s=1.2),)},
    "refused": {"refused": 1},
    "failed": {"failed": 1},
}


@pytest.mark.parametrize("change", DEFECTS.values(), ids=list(DEFECTS))
def test_each_defect_is_found_by_itself(change: dict[str, Any]) -> None:
    assert len(judge_load(load().altered(**change)).problems) == 1


def _with_server(**change: Any) -> FleetLoad:
    found = load()
    after = found.load.after.altered(**change)
    return found.altered(load=ServerLoad(before=found.load.before, after=after))


def test_a_program_that_was_restarted_or_killed_is_found() -> None:
    assert len(judge_load(_with_server(kills=1)).problems) == 1
    programs = {"kine": ProgramMoment(pid=10, cpu_s=1, rss_mib=60)}
    (problem,) = judge_load(_with_server(programs=programs)).problems
    assert "kube-apiserver" in problem


@pytest.mark.parametrize(
    "calm",
    [
        {"objectives": (calls("list", "all objects", p99_s=29),)},
        {"calls": (calls("PUT", "leases", p99_s=50, count=3),)},
    ],
    ids=["a list may take longer", "three requests have no 99th percentile"],
)
def test_what_no_objective_forbids_passes(calm: dict[str, Any]) -> None:
    assert judge_load(load().altered(**calm)).passed


@pytest.mark.parametrize(
    "holes",
    [{"ended": 5 * SECOND}, {"objectives": ()}, {"datastore": ()}],
    ids=["too short", "no requests", "no datastore"],
)
def test_evidence_with_holes_is_none(holes: dict[str, Any]) -> None:
    with pytest.raises(LabError):
        judge_load(load().altered(**holes))


def test_it_fails_at_the_smallest_size_that_does_not_hold() -> None:
    broken = load(200, busy=0.97).altered(lost=("hollow-00007",))
    found = scale_limit([load(1000), broken, load(50)])
    assert (found.sustained, found.fails_at, found.cause) == (50, 200, Cause.CPU)


def test_it_does_not_bend_where_all_hold() -> None:
    found = scale_limit([load(50), load(200)])
    assert (found.sustained, found.fails_at, found.cause) == (200, None, None)


def test_no_loads_are_no_evidence() -> None:
    with pytest.raises(LabError):
        scale_limit([])


def _failed(**change: Any) -> FleetLoad:
    return load(200).altered(failed=3, **change)


def test_it_fails_by_memory_though_the_processors_are_busy_then_too() -> None:
    short = ServerLoad(before=moment(), after=moment(60, busy=0.99, available=40))
    assert scale_limit([_failed(load=short)]).cause is Cause.MEMORY


def test_it_fails_by_the_datastore_where_the_requests_to_it_are_what_is_slow() -> None:
    slow = (calls("update", "leases", p99_s=0.8),)
    own = (calls("change", "all objects", p99_s=1.1),)
    assert scale_limit([_failed(datastore=slow, objectives=own)]).cause is Cause.DATASTORE
    waits = moment(60).altered(waiting_s=60.0)
    assert (
        scale_limit([_failed(load=ServerLoad(before=moment(), after=waits))]).cause
        is Cause.DATASTORE
    )


def test_a_cause_that_shows_nowhere_is_not_made_up() -> None:
    assert scale_limit([_failed()]).cause is Cause.UNKNOWN
