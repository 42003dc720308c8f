"""Checkpoints of whole labs: where they lie, what they are keyed by, how they become whole.

One folder holds the memory and the disk of each node, the fabric's and the devices' state,
the keys and the state file.  Its key covers everything that it would be wrong to mix:
topology, stack, artifacts, images, emulator, and the code that writes what is in a guest.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError
from lab.home import cache_home
from lab.twins.mapperapp import mapper_app

KEPT = 3
"""How many checkpoints stay; each takes about 1.5 GB."""

_GUEST_CODE = (
    "checkpoint.py",
    "provision.py",
    "devices",
    "machines",
    "pki",
    "stacks",
    "twins",
    "workload",
)


def guest_code_digest() -> str:
    """Hex digest of the code that decides what a guest holds: a new one fits no old memory."""
    root = Path(__file__).parent
    total = hashlib.sha256()
    for name in _GUEST_CODE:
        part = root / name
        for source in sorted(part.rglob("*.py")) if part.is_dir() else [part]:
            total.update(source.relative_to(root).as_posix().encode())
            total.update(source.read_bytes())
    total.update(mapper_app().sha256.encode())
    return total.hexdigest()


@dataclass(frozen=True)
class Checkpoint:
    """One checkpoint on disk; `path` is the folder."""

    key: str
    path: Path

    @property
    def state(self) -> Path:
        return self.path / "state.json"

    @property
    def keys(self) -> Path:
        return self.path / "keys"

    @property
    def devices(self) -> Path:
        return self.path / "devices"

    @property
    def fabric(self) -> Path:
        return self.path / "fabric.json"

    def memory(self, node: str) -> Path:
        return self.path / f"{node}.memory"

    def disk(self, node: str) -> Path:
        return self.path / f"{node}.qcow2"

    def seed(self, node: str) -> Path:
        return self.path / f"{node}.seed.tar"


class CheckpointStore:
    """All checkpoints of this cache."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = root or cache_home() / "checkpoints"

    def find(self, key: str) -> Checkpoint | None:
        """The checkpoint with that key, marked as just used; None if there is none."""
        path = self.root / key
        if not (path / "state.json").is_file():
            return None
        os.utime(path)
        return Checkpoint(key, path)

    @contextlib.contextmanager
    def make(self, key: str) -> Iterator[Checkpoint]:
        """A new checkpoint to be filled in the block; it takes its place when that ends well.

        Nothing half-made is left behind: not by an exception, and what a kill leaves is
        removed the next time.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        self._sweep_unfinished()
        unfinished = Path(tempfile.mkdtemp(prefix=f".{os.getpid()}-", dir=self.root))
        try:
            yield Checkpoint(key, unfinished)
            final = self.root / key
            if final.exists():
                final.rename(unfinished / ".old")
            unfinished.rename(final)
        except OSError as trouble:
            raise LabError(
                f"cannot write the checkpoint: {trouble.strerror or trouble}",
                remedy=f"A checkpoint needs about 1.5 GB in {self.root}.",
            ) from trouble
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
            shutil.rmtree(self.root / key / ".old", ignore_errors=True)
        self._sweep_old(key)

    def remove(self, key: str) -> None:
        shutil.rmtree(self.root / key, ignore_errors=True)

    def _sweep_unfinished(self) -> None:
        for each in self.root.glob(".*-*"):
            owner = each.name[1:].partition("-")[0]
            if owner.isdigit() and not Path(f"/proc/{owner}").exists():
                shutil.rmtree(each, ignore_errors=True)

    def _sweep_old(self, newest: str) -> None:
        """Leaves the newest few; one that a running lab's disks stand on is never removed."""
        finished = [each for each in self.root.iterdir() if not each.name.startswith(".")]
        finished.sort(key=lambda each: each.stat().st_mtime, reverse=True)
        in_use = {newest, *_keys_in_use()}
        for each in finished[KEPT:]:
            if each.name not in in_use:
                shutil.rmtree(each, ignore_errors=True)


def _keys_in_use() -> set[str]:
    from lab.home import RunDir
    from lab.state import known_labs, read_state

    found: set[str] = set()
    for name in known_labs():
        with contextlib.suppress(LabError):
            state = read_state(RunDir(name))
            if state is not None:
                found.add(state.checkpoint)
    return found
