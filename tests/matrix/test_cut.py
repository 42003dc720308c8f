"""The matrix is cut by whole labs and files, the longest first."""

from __future__ import annotations

from itertools import chain

import pytest

from edge_lab.bringup.admission import Demand
from edge_lab.matrix.cut import LabRun, cut, parts
from edge_lab.matrix.durations import Durations, Measured, Source
from edge_lab.matrix.plan import Plan
from edge_lab.topology import Topology, load_topology
from tests.conftest import LABS
from tests.matrix.plans import planned


def seconds(part: tuple[object, ...]) -> float:
    return sum(each.seconds for each in part)  # type: ignore[attr-defined]


def test_each_file_is_in_one_part_and_each_part_within_the_budget() -> None:
    files = [planned(f"test_{n}.py", float(n)) for n in (5, 3, 8, 2, 7, 1)]
    found = parts(files, 9.0)
    assert sorted(each.path for each in chain(*found)) == sorted(each.path for each in files)
    assert len(found) == 3
    assert max(map(seconds, found)) <= 9


def test_the_longest_file_is_placed_first_and_a_part_keeps_the_order_of_the_matrix() -> None:
    files = [planned("a", 1), planned("b", 6), planned("c", 5), planned("d", 4)]
    # b; then c to the empty part, d to the shorter one, a to the shorter one
    found = parts(files, 10.0)
    assert [[each.path for each in part] for part in found] == [["a", "b"], ["c", "d"]]


def test_a_file_that_exceeds_the_budget_is_a_shard_of_its_own() -> None:
    found = parts([planned("long", 100), planned("short", 1)], 10.0)
    assert [[each.path for each in part] for part in found] == [["long"], ["short"]]


def lab_run(topology: Topology, stack: str, *takes: float) -> LabRun:
    files = tuple(planned(f"test_{n}.py", each) for n, each in enumerate(takes))
    return LabRun(topology, "labs/x.yaml", "d", stack, files)


def cut_of(*runs: LabRun) -> Plan:
    return cut("m", runs, longest_s=1000.0, start_s=300.0, limit_s=3600.0)


def test_a_shard_is_one_lab_with_the_demand_that_admission_counts() -> None:
    small, large = load_topology(LABS / "minimal.yaml"), load_topology(LABS / "default.yaml")
    plan = cut_of(
        lab_run(small, "a+b", 10, 20), lab_run(small, "a+c", 10), lab_run(large, "a+b", 5)
    )
    assert [(each.lab, each.stack) for each in plan.shards] == [
        ("minimal", "a+b"),
        ("minimal", "a+c"),
        ("default", "a+b"),
    ]
    assert [each.index for each in plan.shards] == [0, 1, 2]
    for shard in plan.shards:
        demand = Demand.of(small if shard.lab == "minimal" else large)
        assert (shard.memory_mib, shard.cpus) == (demand.memory_mib, demand.cpus)


def test_shards_that_need_the_same_follow_each_other_the_longest_first() -> None:
    small, large = load_topology(LABS / "minimal.yaml"), load_topology(LABS / "default.yaml")
    plan = cut_of(lab_run(small, "a", 100), lab_run(large, "a", 500), lab_run(small, "b", 600))
    assert [(each.lab, each.seconds) for each in plan.shards] == [
        ("minimal", 900),
        ("minimal", 400),
        ("default", 800),
    ]


@pytest.mark.parametrize(
    ("stack", "lab", "known", "expected"),
    [
        ("s", "l", 7.0, (10.0, Source.MEASURED)),
        ("s", "other", 7.0, (15.0, Source.ELSEWHERE)),
        ("s", "l", None, (10.0, Source.MEASURED)),
    ],
)
def test_what_was_measured_counts_more_than_what_is_known(
    stack: str, lab: str, known: float | None, expected: tuple[float, Source]
) -> None:
    durations = Durations(
        measured=(
            Measured(suite="a", stack="s", lab="l", seconds=10),
            Measured(suite="a", stack="t", lab="l", seconds=20),
        )
    )
    assert durations.of("a", stack, lab, known=known, assumed=300) == expected


def test_without_a_measurement_a_known_duration_counts_more_than_an_assumed_one() -> None:
    assert Durations().of("a", "s", "l", known=7, assumed=300) == (7, Source.KNOWN)
    assert Durations().of("a", "s", "l", known=None, assumed=300) == (300, Source.ASSUMED)


def test_newer_measurements_replace_older_ones() -> None:
    old = Durations(measured=(Measured(suite="a", stack="s", lab="l", seconds=10),))
    new = old.updated(
        [
            Measured(suite="a", stack="s", lab="l", seconds=12),
            Measured(suite="b", stack="s", lab="l", seconds=1),
        ]
    )
    assert [(each.suite, each.seconds) for each in new.measured] == [("a", 12), ("b", 1)]


def test_a_plan_is_the_same_after_it_was_written_and_read() -> None:
    plan = cut_of(lab_run(load_topology(LABS / "minimal.yaml"), "a", 1.5))
    read = Plan.model_validate_json(plan.model_dump_json())
    assert (read, read.digest) == (plan, plan.digest)
    other = plan.model_copy(update={"limit_s": 1.0})
    assert other.digest != plan.digest
