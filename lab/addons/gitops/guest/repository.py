"""Makes the fleet's repository, and commits to it.

    repository.py --git GIT --exec-path DIR --branch main prepare FOLDER
    repository.py --git GIT --exec-path DIR --branch main commit URL --work DIR \
        --authority FILE --certificate FILE --key FILE  <commits.json

`prepare` makes a bare repository with one commit, unless there is one. `commit` reads a list of
commits, each a message and the whole content of the tree by path:

    [{"message": "r2", "files": {"fleet/agent.yaml": "…"}}]

It pushes after the last one, or with --push-each after each one, and prints a line of JSON for each
push that was taken: {"commit": "<sha>", "pushed": <seconds since 1970>, "commits": 1}. A push that
is refused ends it with what git said.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

NOBODY = {
    "GIT_AUTHOR_NAME": "edge-lab",
    "GIT_AUTHOR_EMAIL": "author@edge-lab.test",
    "GIT_COMMITTER_NAME": "edge-lab",
    "GIT_COMMITTER_EMAIL": "author@edge-lab.test",
}
FIRST = "fleet/first.yaml"
FIRST_CONTENT = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: first, namespace: edge-gitops}
data: {commit: first}
"""


class Git:
    """git, away from the configuration of its host, and from the host's proxies."""

    def __init__(self, command: Sequence[str], exec_path: str, *options: str) -> None:
        self._command = (*command, *options)
        self._env = {
            **{key: value for key, value in os.environ.items() if not key.startswith("GIT_")},
            **NOBODY,
            "no_proxy": "*",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_TERMINAL_PROMPT": "0",
            **({"GIT_EXEC_PATH": exec_path} if exec_path else {}),
        }

    def run(self, *words: str, input: str | None = None) -> str:
        done = subprocess.run(
            [*self._command, *words],
            input=input,
            capture_output=True,
            text=True,
            env=self._env,
            check=False,
        )
        if done.returncode:
            sys.exit(f"git {words[0]}: {done.stderr.strip() or done.returncode}")
        return done.stdout.strip()


def prepare(git: Git, folder: Path, branch: str) -> None:
    at = (f"--git-dir={folder}",)
    if not (folder / "HEAD").exists():
        fresh = folder.with_name(f"{folder.name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.parent.mkdir(parents=True, exist_ok=True)
        git.run(
            "init", "--quiet", "--bare", "--template=", f"--initial-branch={branch}", str(fresh)
        )
        fresh.rename(folder)
    if git.run(*at, "for-each-ref", f"refs/heads/{branch}"):
        return
    blob = git.run(*at, "hash-object", "-w", "--stdin", input=FIRST_CONTENT)
    name = FIRST.rpartition("/")
    inner = git.run(*at, "mktree", input=f"100644 blob {blob}\t{name[2]}\n")
    tree = git.run(*at, "mktree", input=f"040000 tree {inner}\t{name[0]}\n")
    commit = git.run(*at, "commit-tree", tree, "-m", "The first commit")
    git.run(*at, "update-ref", f"refs/heads/{branch}", commit)


def commit(
    git: Git, url: str, work: Path, branch: str, commits: Sequence[Mapping[str, object]], each: bool
) -> None:
    shutil.rmtree(work, ignore_errors=True)
    git.run("clone", "--quiet", "--depth=1", "--template=", f"--branch={branch}", url, str(work))
    there = ("-C", str(work))
    made = 0
    for number, change in enumerate(commits, 1):
        _put(work, change["files"])
        git.run(*there, "add", "--all")
        git.run(*there, "commit", "--quiet", "--allow-empty", "-m", str(change["message"]))
        made += 1
        if each or number == len(commits):
            git.run(*there, "push", "--quiet", "origin", f"HEAD:{branch}")
            sha = git.run(*there, "rev-parse", "HEAD")
            print(json.dumps({"commit": sha, "pushed": time.time(), "commits": made}), flush=True)
            made = 0


def _put(work: Path, files: object) -> None:
    """The tree has these files, and no others."""
    for entry in work.iterdir():
        if entry.name != ".git":
            with contextlib.suppress(NotADirectoryError):
                shutil.rmtree(entry)
                continue
            entry.unlink()
    for path, content in dict(files).items():  # type: ignore[call-overload]
        file = work / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--git", required=True)
    parser.add_argument("--exec-path", default="")
    parser.add_argument("--branch", required=True)
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("prepare")
    making.add_argument("folder", type=Path)
    committing = commands.add_parser("commit")
    committing.add_argument("url")
    committing.add_argument("--work", type=Path, required=True)
    committing.add_argument("--authority", required=True)
    committing.add_argument("--certificate", required=True)
    committing.add_argument("--key", required=True)
    committing.add_argument("--push-each", action="store_true")
    given = parser.parse_args()
    program = shlex.split(given.git)
    if given.command == "prepare":
        prepare(Git(program, given.exec_path), given.folder, given.branch)
        return
    shown = {
        "http.sslCAInfo": given.authority,
        "http.sslCert": given.certificate,
        "http.sslKey": given.key,
    }
    options = [word for key, value in shown.items() for word in ("-c", f"{key}={value}")]
    git = Git(program, given.exec_path, *options)
    commit(git, given.url, given.work, given.branch, json.load(sys.stdin), given.push_each)


if __name__ == "__main__":
    main()
