"""What is old or too much goes; what a lab, a checkpoint or a process uses stays."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from filelock import FileLock
from typer.testing import CliRunner

from edge_lab.artifacts.cache import ArtifactCache
from edge_lab.artifacts.model import Component
from edge_lab.cli.app import app
from edge_lab.cli.cache import parse_age
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import InputError, LabError
from edge_lab.topology import Arch, Topology
from edge_lab.upkeep.contents import CHECKPOINTS, KINDS, ROOT_DISKS, all_entries
from edge_lab.upkeep.prune import Limits, Pruning, plan_pruning, remove
from edge_lab.upkeep.uses import require_quiet, uses_of
from tests.upkeep.conftest import DIGEST, KEY, add_artifact, run_as_the_checkpoint

NOW = 2_000_000_000.0
DAY = 86400.0


def aged(home: Path, days: dict[str, float]) -> None:
    """Entries by their path below the cache, last used so many days before NOW."""
    for place, age in days.items():
        stamp = NOW - age * DAY
        for path in home.glob(place):
            os.utime(path, (stamp, stamp))


def planned(home: Path, limits: Limits) -> Pruning:
    return plan_pruning(all_entries(home), uses_of(home), limits, NOW)


def places(home: Path, pruning: Pruning) -> set[str]:
    return {str(entry.path.relative_to(home)).split("/v")[0] for entry in pruning.removed}


def test_what_is_older_goes(filled: Path) -> None:
    add_artifact(filled, "kine")
    aged(filled, {"artifacts/kine/*": 15, "artifacts/kubelet/*": 13, "payloads/unused.ext4": 99})
    aged(filled, {"images/*": 99, "payloads/used.ext4": 99, "checkpoints/*": 1})
    pruning = planned(filled, Limits(older_than=14 * DAY))
    assert places(filled, pruning) == {"artifacts/kine", "payloads/unused.ext4"}


def test_what_a_checkpoint_stands_on_stays_as_long_as_that_does(filled: Path) -> None:
    aged(filled, {"*/*": 99, "*/*/*": 99})
    aged(filled, {"checkpoints/*": 1})
    kept = dict(planned(filled, Limits(older_than=14 * DAY)).kept)
    assert {entry.path.parts[-2]: who for entry, who in kept.items()} == {
        "kubelet": f"checkpoint {KEY}",
        "images": f"checkpoint {KEY}",
        "payloads": f"checkpoint {KEY}",
    }
    aged(filled, {"checkpoints/*": 20})
    pruning = planned(filled, Limits(older_than=14 * DAY))
    assert len(pruning.removed) == 5
    assert pruning.kept == ()
    order = [entry.kind for entry in pruning.removed]
    assert order.index(CHECKPOINTS) < order.index(ROOT_DISKS)


def test_nothing_that_a_lab_uses_goes(filled: Path, default_topology: Topology) -> None:
    run_as_the_checkpoint(filled, default_topology)
    aged(filled, {"*/*": 99, "*/*/*": 99})
    pruning = planned(filled, Limits(older_than=1.0, max_size=1))
    assert places(filled, pruning) == {"payloads/unused.ext4"}
    assert {who for _, who in pruning.kept} == {"lab default"}


def test_a_file_that_a_process_has_open_stays(filled: Path) -> None:
    aged(filled, {"*/*": 99})
    with (filled / "payloads" / "unused.ext4").open("rb"):
        pruning = planned(filled, Limits(older_than=14 * DAY))
        assert "payloads/unused.ext4" not in places(filled, pruning)
    assert "payloads/unused.ext4" in places(filled, planned(filled, Limits(older_than=14 * DAY)))


def test_the_least_recently_used_goes_first_until_the_size_is_right(filled: Path) -> None:
    aged(filled, {"*/*": 0, "*/*/*": 0})
    for number, name in enumerate(("kine", "yurthub", "coredns")):
        add_artifact(filled, name)
        aged(filled, {f"artifacts/{name}/*": 30 - number})
    whole = sum(entry.size for entry in all_entries(filled))
    pruning = planned(filled, Limits(max_size=whole - 40_000))
    assert [entry.name.split("/")[0] for entry in pruning.removed] == ["kine"]
    assert pruning.left == whole - pruning.freed <= whole - 40_000
    assert planned(filled, Limits(max_size=whole)).removed == ()


def test_only_kinds_that_were_asked_for_go(filled: Path) -> None:
    aged(filled, {"*/*": 99, "*/*/*": 99})
    pruning = planned(filled, Limits(older_than=DAY, kinds=frozenset({KINDS["payloads"]})))
    assert places(filled, pruning) == {"payloads/unused.ext4"}


def test_run_directories_and_unknown_folders_are_never_pruned(filled: Path) -> None:
    (filled / "labs" / "default").mkdir(parents=True)
    (filled / "theirs").mkdir()
    aged(filled, {"labs/*": 99, "theirs": 99})
    kinds = {entry.kind.name for entry in planned(filled, Limits(older_than=DAY)).removed}
    assert kinds.isdisjoint({"labs", "other"})
    assert {"labs", "other"} <= {entry.kind.name for entry in all_entries(filled)}


def test_an_entry_that_was_used_since_it_was_listed_stays(filled: Path) -> None:
    aged(filled, {"*/*": 99, "*/*/*": 99})
    pruning = planned(filled, Limits(older_than=DAY))
    found = ArtifactCache(filled / "artifacts").look(
        Component("kubelet", "v1.0+x"), Arch.X86_64, "f" * 64
    )
    assert found is not None
    gone = remove(pruning.removed, Deadline.after(60))
    assert {entry.kind.name for entry in gone} == {"payloads", "root-disks", "checkpoints"}
    assert found.path.exists()
    assert not (filled / "images" / f"x86_64-{DIGEST[:16]}").exists()


def test_folders_of_go_modules_are_removed_although_they_are_read_only(filled: Path) -> None:
    module = filled / "go" / "mod" / "example.org@v1"
    module.mkdir(parents=True)
    (module / "go.mod").touch(mode=0o444)
    module.chmod(0o555)
    aged(filled, {"go/*": 99})
    remove(planned(filled, Limits(older_than=DAY)).removed, Deadline.after(60))
    assert not (filled / "go" / "mod").exists()
    assert not list((filled / "tmp").glob("prune*.d"))


@pytest.mark.parametrize("lock", ["labs/default.lock", "artifacts/build.lock", "tmp/payload.lock"])
def test_nothing_is_pruned_while_something_is_made(filled: Path, lock: str) -> None:
    (filled / lock).parent.mkdir(parents=True, exist_ok=True)
    with FileLock(filled / lock), pytest.raises(LabError, match=f"process {os.getpid()} "):
        require_quiet(filled)
    require_quiet(filled)


@pytest.mark.parametrize("lock", ["labs/default.session.lock", "labs/default.shard.lock"])
def test_tests_in_a_running_lab_do_not_keep_the_cache_busy(filled: Path, lock: str) -> None:
    with FileLock(filled / lock):
        require_quiet(filled)


# -- the command -------------------------------------------------------------------------


def said(*arguments: str) -> dict[str, object]:
    done = CliRunner().invoke(app, ["cache", *arguments, "--json"], catch_exceptions=False)
    assert done.exit_code == 0
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def test_a_dry_run_removes_nothing_and_says_the_same(filled: Path) -> None:
    aged(filled, {"payloads/unused.ext4": 9999})
    dry = said("prune", "--older-than", "2w", "--dry-run")
    assert (filled / "payloads" / "unused.ext4").exists()
    wet = said("prune", "--older-than", "14d")
    assert not (filled / "payloads" / "unused.ext4").exists()
    assert dry["removed"] == wet["removed"]
    assert dry["freed"] == wet["freed"] != 0


def test_the_list_has_every_entry(filled: Path) -> None:
    entries = said("list")["entries"]
    assert isinstance(entries, list)
    assert {entry["kind"] for entry in entries} == {
        "artifacts",
        "root-disks",
        "payloads",
        "checkpoints",
    }


def test_export_and_import_by_command(
    filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = str(tmp_path / "cache.tar")
    assert said("export", archive, "--checkpoints")["entries"] == 4
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    done = said("import", archive)
    assert isinstance(done["added"], list)
    assert len(done["added"]) == 3
    assert done["unfit"] == {
        f"checkpoints/{KEY}": f"its machines have their disks in {filled}",
    }


def test_a_prune_without_a_limit_is_refused() -> None:
    with pytest.raises(InputError, match="no limit"):
        CliRunner().invoke(app, ["cache", "prune"], catch_exceptions=False)


@pytest.mark.parametrize(
    ("text", "seconds"), [("14d", 14 * DAY), ("1.5w", 10.5 * DAY), ("36h", 1.5 * DAY)]
)
def test_ages(text: str, seconds: float) -> None:
    assert parse_age(text) == seconds


@pytest.mark.parametrize("text", ["", "d", "-1d", "14", "1y"])
def test_what_is_no_age_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="is not an age"):
        parse_age(text)
