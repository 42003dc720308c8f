"""The outcome of shards and of the whole, and when a shard may run again."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_lab.core.errors import InputError
from edge_lab.matrix.record import attempts, new_attempt, settled, shard_folder
from edge_lab.matrix.verdict import read_results, whole_code
from tests.matrix.plans import plan, record, shard

PLAN = plan()


@pytest.mark.parametrize(
    ("codes", "whole"),
    [
        ([0, 0], 0),
        ([0, 5], 0),
        ([5, 5], 5),
        ([0, 1, 0], 1),
        ([0, 10], 10),
        ([10, 5], 10),
        ([10, 1], 11),
        ([10, 4], 11),
        ([11, 0], 11),
        ([4, 0], 4),
        ([1, 4], 1),
        ([2, 4], 2),
        ([3, 2], 3),
        ([99, 0], 1),
    ],
)
def test_the_code_of_the_whole_is_that_of_one_run_over_all_shards(
    codes: list[int], whole: int
) -> None:
    assert whole_code(codes) == whole
    assert whole_code(codes[::-1]) == whole


@pytest.mark.parametrize(("code", "again"), [(0, False), (1, False), (5, False), (10, True)])
def test_only_a_broken_lab_leaves_a_shard_to_be_run_again(
    code: int, again: bool, tmp_path: Path
) -> None:
    record(PLAN, 1, code, tmp_path)
    assert (settled(PLAN, tmp_path, 1) is None) is again


def test_an_attempt_that_did_not_end_settles_nothing(tmp_path: Path) -> None:
    new_attempt(shard_folder(tmp_path, 1))
    assert settled(PLAN, tmp_path, 1) is None
    assert new_attempt(shard_folder(tmp_path, 1)).name == "attempt-2"


def test_results_of_another_plan_are_refused(tmp_path: Path) -> None:
    record(PLAN, 1, 0, tmp_path)
    with pytest.raises(InputError):
        settled(plan(shard(0), shard(1)), tmp_path, 1)


def test_attempts_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for number in (10, 9, 2):
        (tmp_path / f"attempt-{number}").mkdir()
    (tmp_path / "attempt-x").mkdir()
    assert [each.name for each in attempts(tmp_path)] == ["attempt-2", "attempt-9", "attempt-10"]


def test_the_first_final_attempt_counts_else_the_last(tmp_path: Path) -> None:
    for index, codes in ((0, (0,)), (1, (10, 1)), (2, (10, 10))):
        for code in codes:
            record(PLAN, index, code, tmp_path)
    results = read_results(tmp_path)
    assert [each.code for each in results.shards] == [0, 1, 10]
    assert [len(each.attempts) for each in results.shards] == [1, 2, 2]
    assert results.code == 11


def test_a_shard_without_a_result_is_a_lab_that_broke(tmp_path: Path) -> None:
    record(PLAN, 0, 0, tmp_path)
    new_attempt(shard_folder(tmp_path, 1))
    results = read_results(tmp_path)
    assert [each.code for each in results.shards] == [0, 10, 10]
    assert results.code == 10


def test_a_pod_that_refused_its_input_left_no_record_but_its_code(tmp_path: Path) -> None:
    for index in (0, 1):
        record(PLAN, index, 0, tmp_path)
    assert read_results(tmp_path).completed_by({2: 4, 0: 4}).code == 4
    assert read_results(tmp_path).completed_by({2: 137}).code == 10


def test_results_may_be_in_several_folders(tmp_path: Path) -> None:
    record(PLAN, 0, 0, tmp_path / "a")
    record(PLAN, 1, 0, tmp_path / "b")
    record(PLAN, 2, 0, tmp_path / "b")
    assert read_results(tmp_path / "a", tmp_path / "b").code == 0
    assert read_results(tmp_path).code == 0


def test_results_of_two_runs_or_of_two_plans_are_not_mixed(tmp_path: Path) -> None:
    record(PLAN, 0, 0, tmp_path / "a")
    record(PLAN, 0, 0, tmp_path / "b")
    with pytest.raises(InputError, match="two runs"):
        read_results(tmp_path)
    record(plan(shard(0), shard(1)), 1, 0, tmp_path / "c")
    with pytest.raises(InputError, match="different plans"):
        read_results(tmp_path / "a", tmp_path / "c")


def test_a_folder_without_results_or_with_a_damaged_record_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no results"):
        read_results(tmp_path)
    attempt = record(PLAN, 0, 0, tmp_path)
    (attempt / "shard.json").write_text("{")
    with pytest.raises(InputError) as refused:
        read_results(tmp_path)
    assert refused.value.file == str(attempt / "shard.json")
