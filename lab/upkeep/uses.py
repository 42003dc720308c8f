"""Entries of the cache that labs, checkpoints and processes use."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edge_lab.bringup.checkpoint import CheckpointStore
from edge_lab.core.errors import LabError
from edge_lab.core.home import RunDir
from edge_lab.core.process import lock_holder
from edge_lab.handle.state import LabState, known_labs, load_state, read_state
from edge_lab.images.root import root_image_folder
from edge_lab.topology import Arch

PROC = Path("/proc")


@dataclass(frozen=True)
class Uses:
    """Paths of the cache that must be kept."""

    by_labs: Mapping[Path, str] = field(default_factory=dict)
    """A path and its user. Entries that contain it, or that are in it, are in use."""
    by_checkpoints: Mapping[Path, frozenset[Path]] = field(default_factory=dict)
    """A checkpoint, and the images below its disks, which must keep the same bytes."""

    def user_of(self, path: Path) -> str:
        """The lab or process that uses the entry at `path`; empty if none does."""
        for used, who in self.by_labs.items():
            if used == path or path in used.parents or used in path.parents:
                return who
        return ""


def uses_of(cache: Path) -> Uses:
    """The current uses.

    Raises:
        LabError: the state of a lab cannot be read; `lab down` removes that lab.
    """
    labs: dict[Path, str] = {}
    for path in _open_files(cache):
        labs[path] = "a running process"
    for name in known_labs():
        state = read_state(RunDir(name))
        if state is not None:
            for path in (*stands_on(state), cache / "checkpoints" / state.checkpoint):
                labs[path] = f"lab {name}"
    return Uses(labs, {path: _of_checkpoint(path) for path in CheckpointStore().root.glob("*")})


def _of_checkpoint(path: Path) -> frozenset[Path]:
    with contextlib.suppress(LabError, OSError):
        return stands_on(load_state(path / "state.json"))
    return frozenset()  # damaged: no lab can be restored from it


def stands_on(state: LabState) -> frozenset[Path]:
    """Root disks, payload disks and the kubectl of a running or saved lab."""
    disks = (root_image_folder(Arch(arch), digest) for arch, digest in state.image_digests.items())
    return frozenset((*disks, *state.payloads.values(), state.kubectl))


def _open_files(cache: Path) -> set[Path]:
    """Files of the cache that processes of this user have open or run; others are not visible."""
    found: set[Path] = set()
    real = cache.resolve()
    for process in PROC.glob("[0-9]*"):
        with contextlib.suppress(OSError):
            for link in (process / "exe", *(process / "fd").iterdir()):
                with contextlib.suppress(OSError):
                    target = link.readlink()
                    if real in target.parents and target.suffix != ".lock":
                        found.add(cache / target.relative_to(real))
    return found


def require_quiet(cache: Path) -> None:
    """LabError while a lab is started, saved or taken down, or something is built.

    The files that it will use are not recorded yet.
    """
    locks = [*(cache / "labs").glob("*.lock"), *(cache / "tmp").glob("*.lock")]
    for lock in [*locks, cache / "artifacts" / "build.lock"]:
        if lock.name.endswith((".session.lock", ".shard.lock")):
            continue  # tests in a running lab, whose state file records what it uses
        if (holder := lock_holder(lock)) is not None:
            raise LabError(
                f"process {holder} is using the cache: it holds {lock}",
                remedy="Wait until it ends, then try again.",
            )
