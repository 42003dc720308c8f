"""Removes from the cache what is old, or the least used, and never what is in use."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_lab.core.deadline import Deadline
from edge_lab.images.scratch import building
from edge_lab.upkeep.contents import Entry, Kind
from edge_lab.upkeep.uses import Uses


@dataclass(frozen=True)
class Limits:
    """What may stay."""

    older_than: float | None = None
    """Seconds since the last use; what is older goes."""
    max_size: int | None = None
    """Bytes of the whole cache; the least recently used goes until it is no larger."""
    kinds: frozenset[Kind] | None = None
    """Only entries of these go; None: of all that may be pruned."""


@dataclass(frozen=True)
class Pruning:
    """What goes, in that order, and what stays although it is over a limit."""

    removed: tuple[Entry, ...]
    kept: tuple[tuple[Entry, str], ...]
    """With what uses it."""
    left: int
    """Bytes of the cache afterwards."""

    @property
    def freed(self) -> int:
        return sum(entry.size for entry in self.removed)


def plan_pruning(entries: Sequence[Entry], uses: Uses, limits: Limits, now: float) -> Pruning:
    """What `limits` ask for. An entry that a checkpoint stands on goes after that, or stays."""
    left = sum(entry.size for entry in entries)
    checkpoints = {path: needs for path, needs in uses.by_checkpoints.items() if needs}
    removed: list[Entry] = []
    kept: dict[Entry, str] = {}
    # Checkpoints first among those of one time, so that what they stand on can follow.
    candidates = sorted(
        (entry for entry in entries if _may_go(entry, limits)),
        key=lambda entry: (entry.used, entry.path not in uses.by_checkpoints),
    )
    again = True
    while again:
        again = False
        for entry in candidates:
            too_old = limits.older_than is not None and now - entry.used > limits.older_than
            too_much = limits.max_size is not None and left > limits.max_size
            if entry in removed or not (too_old or too_much):
                continue
            if who := uses.user_of(entry.path) or _checkpoint_on(entry, checkpoints):
                kept[entry] = who
                continue
            kept.pop(entry, None)
            removed.append(entry)
            left -= entry.size
            again = checkpoints.pop(entry.path, None) is not None or again
    return Pruning(tuple(removed), tuple(kept.items()), left)


def _may_go(entry: Entry, limits: Limits) -> bool:
    return entry.kind.prunable and (limits.kinds is None or entry.kind in limits.kinds)


def _checkpoint_on(entry: Entry, checkpoints: dict[Path, frozenset[Path]]) -> str:
    for path, needs in checkpoints.items():
        if any(entry.path == need or entry.path in need.parents for need in needs):
            return f"checkpoint {path.name[:16]}"
    return ""


def remove(entries: Iterable[Entry], deadline: Deadline) -> list[Entry]:
    """Removes entries, each in one step; returns those that are gone.

    One that was used since it was listed stays.
    """
    gone = []
    with building("prune", deadline) as scratch:
        for number, entry in enumerate(entries):
            with contextlib.suppress(FileNotFoundError):
                if entry.path.stat().st_mtime != entry.used:
                    continue
                entry.path.rename(scratch / str(number))
            _make_removable(scratch / str(number))
            shutil.rmtree(scratch / str(number), ignore_errors=True)
            gone.append(entry)
            with contextlib.suppress(OSError):  # the folder of a component without a version left
                if entry.kind.depth > 1:
                    entry.path.parent.rmdir()
    return gone


def _make_removable(path: Path) -> None:
    """Go makes the folders of its modules read-only."""
    for folder, _, _ in os.walk(path):
        with contextlib.suppress(OSError):
            Path(folder).chmod(stat.S_IRWXU)
