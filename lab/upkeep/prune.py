"""Removes old or least recently used entries from the cache, but never those in use."""

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
    """Maximum seconds since the last use; older entries are removed."""
    max_size: int | None = None
    """Maximum bytes of the cache; the least recently used entries are removed until it fits."""
    kinds: frozenset[Kind] | None = None
    """Only entries of these kinds are removed; None: all prunable kinds."""


@dataclass(frozen=True)
class Pruning:
    """Entries that are removed, in that order, and those that are kept in spite of a limit."""

    removed: tuple[Entry, ...]
    kept: tuple[tuple[Entry, str], ...]
    """Each with its user."""
    left: int
    """Size of the cache afterwards, bytes."""

    @property
    def freed(self) -> int:
        return sum(entry.size for entry in self.removed)


def plan_pruning(entries: Sequence[Entry], uses: Uses, limits: Limits, now: float) -> Pruning:
    """The entries that `limits` select. Those that a checkpoint needs are removed after it."""
    left = sum(entry.size for entry in entries)
    checkpoints = {path: needs for path, needs in uses.by_checkpoints.items() if needs}
    removed: list[Entry] = []
    kept: dict[Entry, str] = {}
    # Checkpoints first among those of the same time, so that the entries they need can follow.
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
    """Removes entries, each atomically; returns the removed ones.

    Keeps those that were used since they were listed.
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
            with contextlib.suppress(OSError):  # a component may have no version left
                if entry.kind.depth > 1:
                    entry.path.parent.rmdir()
    return gone


def _make_removable(path: Path) -> None:
    """Makes folders writable first: Go makes those of its modules read-only."""
    for folder, _, _ in os.walk(path):
        with contextlib.suppress(OSError):
            Path(folder).chmod(stat.S_IRWXU)
