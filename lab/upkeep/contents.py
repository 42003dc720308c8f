"""The content of the cache: entries by kind, with size and time of last use."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from edge_lab.core.errors import named

SCRATCH = "tmp"
"""The folder of incomplete entries."""

_BLOCK = 512
"""Bytes in a unit of st_blocks (stat(2))."""
_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+@-]*")


@dataclass(frozen=True)
class Kind:
    """A kind of entries. An entry is a folder or a file that is created and removed as a whole."""

    name: str
    what: str
    places: tuple[str, ...]
    """Folders of the cache that hold entries of this kind."""
    depth: int = 1
    """Number of path components of an entry below its place."""
    prunable: bool = True

    def fits(self, entry: str) -> bool:
        """Whether `entry`, a path below the place, can be the name of an entry of this kind."""
        parts = entry.split("/")
        return len(parts) == self.depth and all(map(_PART.fullmatch, parts))


ARTIFACTS = Kind("artifacts", "components of stacks and add-ons", ("artifacts",), depth=2)
ROOT_DISKS = Kind("root-disks", "the operating system of nodes, by architecture", ("images",))
PAYLOADS = Kind("payloads", "disks with the programs of one node", ("payloads",))
IMAGES = Kind("container-images", "archives that nodes import", ("workload",))
PACKAGES = Kind("packages", "Debian packages, unpacked for add-ons", ("unpacked",))
CHECKPOINTS = Kind("checkpoints", "whole labs, saved", ("checkpoints",))
LOGS = Kind("logs", "of builds, and of labs that were taken down", ("logs", "kept"))
GO = Kind("go", "Go's own caches of modules and builds", ("go",))
REPORT = Kind("report", "the report generator", ("report",))
LABS = Kind("labs", "run directories of labs", ("labs",), prunable=False)

KINDS = {
    kind.name: kind
    for kind in (
        ARTIFACTS,
        ROOT_DISKS,
        PAYLOADS,
        IMAGES,
        PACKAGES,
        CHECKPOINTS,
        LOGS,
        GO,
        REPORT,
        LABS,
    )
}
OTHER = Kind("other", "made by add-ons, and what is no entry", (), prunable=False)
"""Folders without a kind."""


@dataclass(frozen=True)
class Entry:
    """One entry of the cache."""

    kind: Kind
    name: str
    """Its path below the place of its kind."""
    path: Path
    size: int
    """Bytes on the disk, without holes in files."""
    used: float
    """Unix time of its last use, or of its creation."""


def kinds_named(names: Iterable[str]) -> frozenset[Kind]:
    """The prunable kinds with those names; InputError for other names."""
    prunable = {name: kind for name, kind in KINDS.items() if kind.prunable}
    return frozenset(named("kind of entries", name, prunable) for name in names)


def entries_of(kind: Kind, cache: Path) -> list[Entry]:
    """All finished entries of that kind, by name."""
    return sorted(_entries(kind, cache), key=lambda entry: entry.name)


def all_entries(cache: Path) -> list[Entry]:
    """Everything in the cache by kind, including what has no kind."""
    found = [entry for kind in KINDS.values() for entry in entries_of(kind, cache)]
    known = {cache / place for kind in KINDS.values() for place in kind.places} | {cache / SCRATCH}
    rest = [path for path in sorted(cache.iterdir()) if path not in known and _is_data(path)]
    return found + [entry for path in rest if (entry := _entry(OTHER, path.name, path))]


def _entries(kind: Kind, cache: Path) -> Iterator[Entry]:
    for place in kind.places:
        root = cache / place
        for path in root.glob("/".join("*" * kind.depth)):
            name = str(path.relative_to(root))
            if kind.fits(name) and _is_data(path) and (entry := _entry(kind, name, path)):
                yield entry


def _is_data(path: Path) -> bool:
    return path.suffix != ".lock" and not path.is_symlink()


def _entry(kind: Kind, name: str, path: Path) -> Entry | None:
    try:
        return Entry(kind, name, path, size_on_disk(path), path.stat().st_mtime)
    except FileNotFoundError:  # removed meanwhile
        return None


def size_on_disk(path: Path) -> int:
    """Bytes on the disk of a file, or of a folder with its content."""
    total = path.lstat().st_blocks * _BLOCK
    if path.is_dir() and not path.is_symlink():
        with contextlib.suppress(OSError), os.scandir(path) as inside:
            for entry in inside:
                with contextlib.suppress(OSError):
                    if entry.is_dir(follow_symlinks=False):
                        total += size_on_disk(Path(entry.path))
                    else:
                        total += entry.stat(follow_symlinks=False).st_blocks * _BLOCK
    return total
