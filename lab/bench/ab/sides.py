"""The sides of a comparison: their syntax, and the files that are measured."""

from __future__ import annotations

import contextlib
import re
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO

from edge_lab.core.errors import InputError, LabError

PACKAGE = Path("src") / "edge_lab"
"""In a checkout."""
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*=.*")


@dataclass(frozen=True)
class Side:
    """What is measured, such as `main,kubernetes+kubelet,EDGE_LAB_X=1`, in any order."""

    text: str
    """The original text."""
    checkout: str = "."
    """A folder, or a commit of the repository in the current folder."""
    topology: Path | None = None
    stack: str | None = None
    environment: tuple[tuple[str, str], ...] = ()

    @property
    def of_labs(self) -> bool:
        """Whether it has a part that only benchmarks of labs use."""
        return self.topology is not None or self.stack is not None


def parse_side(text: str) -> Side:
    """Parses a side, whose parts are separated by commas.

    `NAME=VALUE` is a variable of the environment, `FILE.yaml` a topology, `control+runtime` a
    stack, and anything else a checkout: a folder, or a commit.

    Raises:
        InputError: a file, folder or commit does not exist, or there are two parts of one kind.
    """
    side = Side(text)
    seen: set[str] = set()
    for part in text.split(","):
        kind, side = _with(side, part)
        if kind != "variable" and kind in seen:
            raise InputError(f"{text!r} has two parts of the kind {kind}")
        seen.add(kind)
    return side


def _with(side: Side, part: str) -> tuple[str, Side]:
    if not part:
        raise InputError(f"{side.text!r} has an empty part")
    if _VARIABLE.fullmatch(part):
        name, _, value = part.partition("=")
        return "variable", replace(side, environment=(*side.environment, (name, value)))
    if part.endswith((".yaml", ".yml")):
        if not Path(part).is_file():
            raise InputError(f"there is no topology file {part}")
        return "topology", replace(side, topology=Path(part).resolve())
    if "+" in part and not Path(part).exists():
        return "stack", replace(side, stack=part)
    if not Path(part).is_dir():
        _commit(part)
    elif not (Path(part) / PACKAGE).is_dir():
        raise InputError(f"{part} is not a checkout of edge-lab: it has no {PACKAGE}")
    return "checkout", replace(side, checkout=part)


def _commit(ref: str) -> str:
    """The commit's full name; InputError if the repository of the current folder has no `ref`."""
    argv = ["git", "rev-parse", "--quiet", "--verify", "--end-of-options", f"{ref}^{{commit}}"]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
    except FileNotFoundError as trouble:
        raise LabError("git is not installed", remedy="Install it, or name folders.") from trouble
    if done.returncode:
        raise InputError(
            f"{ref!r} is neither a folder, nor a commit, a topology file or a stack",
            remedy="A commit must be one of the repository in the current folder.",
        )
    return done.stdout.strip()


@dataclass(frozen=True)
class Source:
    """A side with the folder from which it is imported."""

    side: Side
    folder: Path
    """The folder with the package."""
    commit: str
    """Empty for a folder: its files may not be those of a commit."""
    log: TextIO


@contextlib.contextmanager
def checked_out(side: Side) -> Iterator[Source]:
    """The files of a side; a commit is exported to a temporary folder.

    Raises:
        InputError: the commit is not one of edge-lab.
    """
    with contextlib.ExitStack() as undo:
        room = Path(undo.enter_context(tempfile.TemporaryDirectory(prefix="lab-bench-")))
        log = undo.enter_context((room / "log").open("w+", encoding="utf-8", errors="replace"))
        if Path(side.checkout).is_dir():
            folder, commit = Path(side.checkout).resolve(), ""
        else:
            folder, commit = room / "checkout", _commit(side.checkout)
            _export(commit, folder)
        if not (folder / PACKAGE).is_dir():
            raise InputError(f"{side.checkout} is not a checkout of edge-lab: it has no {PACKAGE}")
        yield Source(side, (folder / PACKAGE).parent, commit, log)


def _export(commit: str, folder: Path) -> None:
    """Exports the whole tree with `git archive`, which does not change the repository."""
    top = subprocess.run(
        ["git", "rev-parse", "--show-toplevel"], capture_output=True, text=True, check=True
    ).stdout.strip()
    folder.mkdir()
    argv = ["git", "-C", top, "archive", "--format=tar", commit]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as git:
        tar = subprocess.run(["tar", "-xf", "-", "-C", str(folder)], stdin=git.stdout, check=False)
    if git.returncode or tar.returncode:
        raise LabError(f"commit {commit[:12]} could not be exported")
