from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge_lab.bringup.checkpoint import KEPT, Checkpoint, CheckpointStore
from edge_lab.core.errors import LabError


def fill(store: CheckpointStore, key: str, age: float = 0.0) -> None:
    with store.make(key) as checkpoint:
        checkpoint.state.write_text(key)
    stamp = 1_000_000_000 - age
    os.utime(store.root / key, (stamp, stamp))


def half_fill(checkpoint: Checkpoint) -> None:
    checkpoint.state.write_text("broken")
    raise RuntimeError("half way")


def test_a_checkpoint_is_found_once_it_is_whole(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path)
    with store.make("k") as checkpoint:
        checkpoint.state.write_text("{}")
        assert store.find("k") is None
    found = store.find("k")
    assert found is not None
    assert found.state.read_text() == "{}"


def test_one_that_fails_half_way_leaves_nothing_and_the_old_one_stays(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path)
    fill(store, "k")
    with pytest.raises(RuntimeError, match="half way"), store.make("k") as checkpoint:
        half_fill(checkpoint)
    found = store.find("k")
    assert found is not None
    assert found.state.read_text() == "k"
    assert [each.name for each in tmp_path.iterdir()] == ["k"]


def test_a_new_one_replaces_the_old_one_whole(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path)
    with store.make("k") as checkpoint:
        checkpoint.state.write_text("1")
        checkpoint.machine("gone").disk.write_text("x")
    with store.make("k") as checkpoint:
        checkpoint.state.write_text("2")
    found = store.find("k")
    assert found is not None
    assert {each.name for each in found.path.iterdir()} == {"state.json"}


def test_what_a_kill_left_is_swept_the_next_time(tmp_path: Path) -> None:
    (tmp_path / ".999999999-left").mkdir()
    fill(CheckpointStore(tmp_path), "k")
    assert [each.name for each in tmp_path.iterdir()] == ["k"]


def test_only_the_newest_few_stay(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path)
    for age in range(KEPT + 2):
        fill(store, f"k{age}", age=age)
    fill(store, "newest")
    assert {each.name for each in tmp_path.iterdir()} == {
        "newest",
        *(f"k{n}" for n in range(KEPT - 1)),
    }


def test_a_full_disk_is_a_lab_error_that_says_how_much_is_needed(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path)
    with pytest.raises(LabError, match="No space left") as caught, store.make("k"):
        raise OSError(28, "No space left on device")
    assert "1.5 GB" in caught.value.remedy
    assert list(tmp_path.iterdir()) == []
