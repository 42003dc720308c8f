"""One folder of Allure results from many, and what files took."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edge_lab.core.errors import InputError
from edge_lab.matrix.merge import measured, merge
from edge_lab.matrix.plan import Plan
from edge_lab.matrix.record import ALLURE
from edge_lab.matrix.verdict import read_results
from tests.matrix.plans import container, plan, record, result, shard

TWO_STACKS = plan(
    shard(0, "suites/test_a.py", stack="kubernetes+openyurt"),
    shard(1, "suites/test_a.py", stack="kubernetes+kubelet"),
)


def merged(tmp_path: Path) -> tuple[Path, list[dict[str, Any]]]:
    target = merge(read_results(tmp_path / "in"), tmp_path / "out")
    files = sorted(target.glob("*-result.json"))
    return target, [json.loads(file.read_text()) for file in files]


def both(tmp_path: Path, of: Plan = TWO_STACKS) -> list[Path]:
    attempts = [record(of, index, 0, tmp_path / "in") for index in (0, 1)]
    for number, attempt in enumerate(attempts):
        result(attempt, f"u{number}", "suites.test_a", 1000, 3000)
    return attempts


def test_one_test_in_two_labs_is_two_results_and_no_retry(tmp_path: Path) -> None:
    both(tmp_path)
    _, results = merged(tmp_path)
    assert len({each["historyId"] for each in results}) == 2
    assert [each["parameters"] for each in results] == [
        [
            {"name": "topology", "value": "minimal"},
            {"name": "stack", "value": f"kubernetes+{runtime}"},
        ]
        for runtime in ("openyurt", "kubelet")
    ]


def test_several_labs_are_branches_of_the_tree_and_a_single_one_is_none(tmp_path: Path) -> None:
    attempt = record(TWO_STACKS, 0, 0, tmp_path / "in")
    result(attempt, "u0", "suites.test_a", 0, 1, titlePath=["suites", "test_a.py"])
    assert merged(tmp_path)[1][0]["titlePath"] == ["suites", "test_a.py"]
    result(record(TWO_STACKS, 1, 0, tmp_path / "in"), "u1", "suites.test_a", 0, 1)
    assert [each["titlePath"] for each in merged(tmp_path)[1]] == [
        ["minimal, kubernetes+openyurt", "suites", "test_a.py"],
        ["minimal, kubernetes+kubelet"],
    ]


def test_the_same_test_has_the_same_history_in_the_next_run(tmp_path: Path) -> None:
    for run in ("first", "second"):
        both(tmp_path / run)
    first, second = (merged(tmp_path / run)[1] for run in ("first", "second"))
    assert [each["historyId"] for each in first] == [each["historyId"] for each in second]


def test_parameters_of_a_test_are_kept(tmp_path: Path) -> None:
    attempt = record(TWO_STACKS, 0, 0, tmp_path / "in")
    given = [{"name": "node", "value": "'edge'"}, {"name": "stack", "value": "'x'"}]
    result(attempt, "u", "suites.test_a", 0, 1, parameters=given)
    _, (only,) = merged(tmp_path)
    assert only["parameters"] == [*given, {"name": "topology", "value": "minimal"}]


def test_files_of_one_name_are_joined_or_kept_apart(tmp_path: Path) -> None:
    for number, attempt in enumerate(both(tmp_path)):
        folder = attempt / ALLURE
        (folder / "cells.jsonl").write_text(f'{{"shard": {number}}}\n')
        (folder / "categories.json").write_text("[]")
        (folder / "page.html").write_text(f"page {number}")
        (folder / "environment.properties").write_text(f"python = 3\nstack = s{number}\n")
    target, _ = merged(tmp_path)
    assert (target / "cells.jsonl").read_text() == '{"shard": 0}\n{"shard": 1}\n'
    assert (target / "categories.json").read_text() == "[]"
    assert (target / "page.html").read_text() == "page 0"
    assert (target / "page-shard-001.html").read_text() == "page 1"
    assert (target / "environment.properties").read_text() == "python = 3\nstack = s0 | s1\n"


def test_an_attempt_whose_lab_broke_is_left_out_if_a_later_one_counts(tmp_path: Path) -> None:
    for number, code in enumerate((10, 0)):
        attempt = record(TWO_STACKS, 0, code, tmp_path / "in")
        result(attempt, f"attempt-{number + 1}", "suites.test_a", 0, 1)
    _, results = merged(tmp_path)
    assert [each["uuid"] for each in results] == ["attempt-2"]


def test_an_earlier_merge_is_replaced_and_anything_else_is_kept(tmp_path: Path) -> None:
    both(tmp_path)
    merged(tmp_path)
    assert len(merged(tmp_path)[1]) == 2
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").touch()
    with pytest.raises(InputError):
        merge(read_results(tmp_path / "in"), tmp_path / "mine")
    assert (tmp_path / "mine" / "file").exists()


def test_a_damaged_result_is_refused_with_its_name(tmp_path: Path) -> None:
    attempt = both(tmp_path)[0]
    (attempt / ALLURE / "x-result.json").write_text("[")
    with pytest.raises(InputError) as refused:
        merged(tmp_path)
    assert refused.value.file.endswith("x-result.json")


# -- Durations -------------------------------------------------------------------------------


def test_a_file_takes_its_tests_and_its_own_fixtures_but_not_the_start_of_the_lab(
    tmp_path: Path,
) -> None:
    attempt = record(plan(shard(0, "suites/test_a.py", "suites/test_b.py")), 0, 0, tmp_path / "in")
    result(attempt, "a1", "suites.test_a", 0, 2000)
    result(attempt, "a2", "suites.test_a.TestClass", 5000, 6000)
    result(attempt, "b", "suites.test_b", 7000, 11_000)
    result(attempt, "other", "suites.test_abc", 0, 50_000)
    container(attempt, "module", 3000, 5000, "a1", "a2")
    container(attempt, "session", 0, 90_000, "a1", "a2", "b")
    container(attempt, "lab", 0, 300_000, "a1")
    found = measured(read_results(tmp_path / "in"))
    assert {each.suite: each.seconds for each in found} == {
        "suites/test_a.py": 5.0,
        "suites/test_b.py": 4.0,
    }
    assert {(each.stack, each.lab) for each in found} == {("kubernetes+kubelet", "minimal")}


def test_nothing_is_learnt_from_a_lab_that_broke(tmp_path: Path) -> None:
    attempt = record(TWO_STACKS, 0, 10, tmp_path / "in")
    result(attempt, "a", "suites.test_a", 0, 2000)
    assert measured(read_results(tmp_path / "in")) == []
