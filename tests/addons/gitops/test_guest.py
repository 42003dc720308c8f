"""The author's program on the server: what it pushes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from edge_lab.addons.gitops.fleet import Revision
from edge_lab.addons.gitops.guest import repository


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
