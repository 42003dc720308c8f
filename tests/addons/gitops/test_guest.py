"""The programs of nodes: what the witness records, and what the author's program pushes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from edge_lab.addons.gitops.fleet import Revision
from edge_lab.addons.gitops.guest import repository
from edge_lab.addons.gitops.guest.witness import Log, compare, fleet_processes
from edge_lab.addons.gitops.witness import parse_runs, running_at

# -- the witness -----------------------------------------------------------------------------------


def process(proc: Path, pid: int, start: int, *words: str) -> None:
    folder = proc / str(pid)
    folder.mkdir(parents=True)
    (folder / "cmdline").write_bytes("\0".join((*words, "")).encode())
    fields = " ".join(["S", *["0"] * 18, str(start), "0"])
    (folder / "stat").write_text(f"{pid} (a) b) {fields}\n")


def test_processes_of_the_fleet_are_known_by_their_arguments(tmp_path: Path) -> None:
    process(tmp_path, 7, 100, "/edge", "pause", "part=agent", "revision=r1")
    process(tmp_path, 8, 101, "/edge", "pause")
    process(tmp_path, 9, 102, "/sbin/init", "part=agent")
    (tmp_path / "10").mkdir()
    (tmp_path / "meminfo").write_text("")
    assert fleet_processes(tmp_path) == {"7/100": ("agent", "r1")}


def test_what_is_recorded_is_read_back(tmp_path: Path) -> None:
    log = Log(tmp_path / "witness.jsonl")
    log.add("looks")
    compare(log, {}, {"7/1": ("agent", "r1")})
    compare(log, {"7/1": ("agent", "r1")}, {"9/2": ("agent", "r2")})
    runs = parse_runs((tmp_path / "witness.jsonl").read_text())
    assert [(run.revision, run.ended is None) for run in runs] == [("r1", False), ("r2", True)]
    assert running_at(runs, "agent", runs[1].began) == ("r2",)


def line(time: float, what: str, revision: str = "", process: str = "") -> str:
    part = "agent" if revision else ""
    record = {"time": time, "what": what, "part": part, "revision": revision, "process": process}
    return "\n" + json.dumps(record) + "\n"


def test_a_witness_that_starts_anew_tells_what_goes_on_from_what_has_ended() -> None:
    before = line(1, "looks") + line(2, "runs", "r1", "7/1") + line(2, "runs", "r2", "8/1")
    runs = parse_runs(before + line(50, "looks") + line(51, "runs", "r1", "7/1"))
    assert sorted((run.revision, run.began, run.ended) for run in runs) == [
        ("r1", 2, None),
        ("r2", 2, 50),
    ]


def test_torn_lines_are_passed_over() -> None:
    torn = line(2, "runs", "r1", "7/1")[:30] + "\0\0\0"
    runs = parse_runs(line(1, "looks") + torn + line(3, "runs", "r2", "8/1"))
    assert [run.revision for run in runs] == ["r2"]


# -- the author ------------------------------------------------------------------------------------


def author(*words: str, given: str = "") -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-I", repository.__file__, "--git=git", "--branch=main"]
    return subprocess.run([*program, *words], input=given, capture_output=True, text=True)


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    folder = tmp_path / "repositories" / "fleet.git"
    for _ in range(2):  # the second time it is there
        done = author("prepare", str(folder))
        assert done.returncode == 0, done.stderr
    return folder


def git(bare: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", f"--git-dir={bare}", *words], capture_output=True, text=True, check=True
    )
    return done.stdout


def push(bare: Path, tmp_path: Path, commits: object, *more: str) -> list[dict[str, object]]:
    keys = ("--authority=none", "--certificate=none", "--key=none", f"--work={tmp_path}/work")
    done = author("commit", f"file://{bare}", *keys, *more, given=json.dumps(commits))
    assert done.returncode == 0, done.stderr
    return [json.loads(said) for said in done.stdout.splitlines()]


def test_a_repository_begins_with_one_commit(bare: Path) -> None:
    assert git(bare, "rev-list", "--count", "main").strip() == "1"
    assert git(bare, "ls-tree", "-r", "--name-only", "main").split() == ["fleet/first.yaml"]


def test_a_commit_is_the_whole_tree(bare: Path, tmp_path: Path) -> None:
    first = Revision("r1", ("edge-arm",)).files()
    second = {"fleet/only.yaml": "kind: ConfigMap\n"}
    commits = [{"message": "r1", "files": first}, {"message": "r2", "files": second}]
    said = push(bare, tmp_path, commits)
    assert [record["commits"] for record in said] == [2]
    assert git(bare, "rev-parse", "main").strip() == said[0]["commit"]
    assert git(bare, "ls-tree", "-r", "--name-only", "main").split() == ["fleet/only.yaml"]
    again = push(bare, tmp_path, commits, "--push-each")
    assert [record["commits"] for record in again] == [1, 1]
    assert git(bare, "rev-list", "--count", "main").strip() == "5"
    assert "edge-lab <author@edge-lab.test>" in git(bare, "log", "-1", "main")


def test_what_git_refuses_is_said(tmp_path: Path) -> None:
    keys = ("--authority=a", "--certificate=b", "--key=c", f"--work={tmp_path}/work")
    done = author("commit", f"file://{tmp_path}/nothing", *keys, given="[]")
    assert done.returncode != 0
    assert "clone" in done.stderr
