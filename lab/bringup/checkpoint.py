"""Checkpoints of whole labs: their folders, keys, creation and removal.

A folder contains memory and disk of each node, the state of fabric and devices, the keys and the
state file.  The checkpoint's key covers everything that must match and is known before the lab's
keys exist: topology, stack, artifacts, images, emulator.  A digest of the files of its guests is in
the state file (`LabState.given`), to be compared with the files that they would get today.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge_lab.core.errors import LabError
from edge_lab.core.home import cache_home
from edge_lab.machines import SavedMachine
from edge_lab.topology import Topology

KEPT = 3
"""How many checkpoints are kept; each takes about 1.5 GB."""

_KEY = re.compile(r"[0-9a-z]+")
"""Digests in hex, so that a key from any state file is a single path component."""

_UNFINISHED = re.compile(r"\.([0-9]+)-[^/]+")
"""A checkpoint that the process with that pid is writing."""


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint on disk; `path` is its folder."""

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

    def machine(self, node: str) -> SavedMachine:
        """The files of the machine of `node`."""
        return SavedMachine(
            memory=self.path / f"{node}.memory",
            disk=self.path / f"{node}.qcow2",
            seed=self.path / f"{node}.seed.tar",
        )

    def check(self, topology: Topology) -> None:
        """LabError if a part for `topology` is missing or cannot be read."""
        files = [self.state, self.fabric]
        files += [file for node in topology.nodes for file in self.machine(node.name).all]
        folders = [self.keys, *(self.devices / device.name for device in topology.devices)]
        missing = [file for file in files if not file.is_file() or not file.stat().st_size]
        missing += [folder for folder in folders if not folder.is_dir()]
        if missing:
            raise LabError(
                f"the checkpoint {self.key[:16]} is damaged: {missing[0].name} is missing or empty",
                remedy="Run `lab save` to make a new one.",
            )
        try:
            json.loads(self.fabric.read_text(encoding="utf-8"))
        except ValueError as trouble:
            raise LabError(
                f"the checkpoint {self.key[:16]} is damaged: {self.fabric.name} cannot be read",
                remedy="Run `lab save` to make a new one.",
            ) from trouble


class CheckpointStore:
    """All checkpoints of this cache."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = root or cache_home() / "checkpoints"

    def _folder(self, key: str) -> Path:
        """Always a direct child of the store; LabError for an invalid key."""
        if not _KEY.fullmatch(key):
            raise LabError(
                f"{key!r} is not a valid key of a checkpoint",
                remedy="The lab's state file is damaged: run `lab down`, then `lab up`.",
            )
        return self.root / key

    def find(self, key: str) -> Checkpoint | None:
        """The checkpoint with that key, marked as used now; None if there is none."""
        path = self._folder(key)
        if not (path / "state.json").is_file():
            return None
        os.utime(path)
        return Checkpoint(key, path)

    @contextlib.contextmanager
    def make(self, key: str) -> Iterator[Checkpoint]:
        """A new checkpoint that the block fills; it becomes visible when the block succeeds.

        An exception removes the incomplete checkpoint; one that a killed process left is removed
        the next time.
        """
        final = self._folder(key)
        self.root.mkdir(parents=True, exist_ok=True)
        self._sweep_unfinished()
        unfinished = Path(tempfile.mkdtemp(prefix=f".{os.getpid()}-", dir=self.root))
        try:
            yield Checkpoint(key, unfinished)
            if final.exists():
                final.rename(unfinished / ".old")
            unfinished.rename(final)
        except OSError as trouble:
            raise LabError(
                f"cannot write the checkpoint: {trouble.strerror or trouble}",
                remedy=f"Free some space: a checkpoint needs about 1.5 GB in {self.root}.",
            ) from trouble
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
            shutil.rmtree(final / ".old", ignore_errors=True)
        self._sweep_old(key)

    def remove(self, key: str) -> None:
        """Removes the checkpoint with that key, if there is one."""
        shutil.rmtree(self._folder(key), ignore_errors=True)

    def _sweep_unfinished(self) -> None:
        for entry in self.root.iterdir():
            found = _UNFINISHED.fullmatch(entry.name)
            if found and not Path(f"/proc/{found[1]}").exists():
                shutil.rmtree(entry, ignore_errors=True)

    def _sweep_old(self, newest: str) -> None:
        """Keeps the newest ones, and any on which the disks of a running lab are based.

        Anything that is not a checkpoint is kept, too.
        """
        finished = [
            entry
            for entry in self.root.iterdir()
            if _KEY.fullmatch(entry.name) and (entry / "state.json").is_file()
        ]
        finished.sort(key=lambda entry: entry.stat().st_mtime, reverse=True)
        in_use = {newest, *_keys_in_use()}
        for entry in finished[KEPT:]:
            if entry.name not in in_use:
                shutil.rmtree(entry, ignore_errors=True)


def _keys_in_use() -> set[str]:
    from edge_lab.core.home import RunDir
    from edge_lab.handle.state import known_labs, read_state

    found: set[str] = set()
    for name in known_labs():
        with contextlib.suppress(LabError):
            state = read_state(RunDir(name))
            if state is not None:
                found.add(state.checkpoint)
    return found
