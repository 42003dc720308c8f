"""Writes entries of the cache to a tar with a manifest of their digests."""

from __future__ import annotations

import contextlib
import io
import os
import stat
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import BinaryIO

from edge_lab.artifacts.checksums import file_digest
from edge_lab.artifacts.diskspace import disk_full_as_error
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import InputError, LabError
from edge_lab.core.step import step
from edge_lab.upkeep.contents import (
    ARTIFACTS,
    CHECKPOINTS,
    PAYLOADS,
    ROOT_DISKS,
    Entry,
    entries_of,
)
from edge_lab.upkeep.manifest import NAME, ListedEntry, ListedFile, Manifest
from edge_lab.upkeep.sparse import add_file
from edge_lab.upkeep.uses import Uses


def chosen_entries(cache: Path, uses: Uses, *, checkpoints: bool) -> list[Entry]:
    """The entries of an export: artifacts and root disks; with `checkpoints` also checkpoints, and
    the payload disks that they need."""
    found = [*entries_of(ARTIFACTS, cache), *entries_of(ROOT_DISKS, cache)]
    if checkpoints:
        saved = entries_of(CHECKPOINTS, cache)
        needed = {
            path for checkpoint in saved for path in uses.by_checkpoints.get(checkpoint.path, ())
        }
        found += [payload for payload in entries_of(PAYLOADS, cache) if payload.path in needed]
        found += saved
    return found


def export(cache: Path, entries: Sequence[Entry], archive: Path, deadline: Deadline) -> Manifest:
    """Writes the archive atomically.

    Raises:
        InputError: there is nothing to export, or the archive cannot be written.
        LabError: an entry was changed or removed meanwhile, or contains something other than
            files and folders; the disk is full.
    """
    if not entries:
        raise InputError(
            f"the cache {cache} has nothing to export",
            remedy="`lab up` fills it; `lab cache list` shows what is in it.",
        )
    with step(f"export {len(entries)} entries") as this:
        listed = []
        for number, entry in enumerate(entries):
            deadline.check("reading the cache")
            this.progress(f"digests: {entry.name}", number / len(entries) / 2)
            listed.append(_listed(entry))
        manifest = Manifest(made_by=version("edge-lab"), cache=str(cache), entries=tuple(listed))
        with _whole_or_not(archive, manifest.size) as sink, _open_tar(sink) as tar:
            content = manifest.model_dump_json(indent=1).encode() + b"\n"
            head = tarfile.TarInfo(NAME)
            head.size, head.mode = len(content), 0o644
            tar.addfile(head, io.BytesIO(content))
            for number, listed_entry in enumerate(manifest.entries):
                deadline.check("writing the archive")
                this.progress(listed_entry.name, 0.5 + number / len(entries) / 2)
                for file in listed_entry.files:
                    _add(tar, cache / listed_entry.path_of(file), listed_entry.path_of(file), file)
    return manifest


@contextlib.contextmanager
def _whole_or_not(archive: Path, size: int) -> Iterator[BinaryIO]:
    try:
        descriptor, name = tempfile.mkstemp(dir=archive.parent, prefix=f".{archive.name}-")
    except OSError as trouble:
        raise InputError(
            f"cannot write {archive}: {trouble.strerror}", remedy="Give another path."
        ) from trouble
    draft = Path(name)
    try:
        with disk_full_as_error(archive.parent, size):
            with os.fdopen(descriptor, "wb") as sink:
                yield sink
                sink.flush()
                os.fsync(sink.fileno())
            draft.replace(archive)  # with mkstemp's mode: checkpoints have private keys
    finally:
        draft.unlink(missing_ok=True)


def _open_tar(sink: BinaryIO) -> tarfile.TarFile:
    return tarfile.open(fileobj=sink, mode="w", format=tarfile.PAX_FORMAT)


def _listed(entry: Entry) -> ListedEntry:
    folders: dict[str, int] = {}
    files: list[ListedFile] = []
    for path in _walk(entry.path):
        try:
            seen = path.lstat()
            name = str(path.relative_to(entry.path))
            if stat.S_ISDIR(seen.st_mode):
                folders[name] = seen.st_mode & 0o777
            elif stat.S_ISREG(seen.st_mode):
                digest = file_digest(path)
                files.append(
                    ListedFile(
                        path=name,
                        size=seen.st_size,
                        sha256=digest,
                        mode=seen.st_mode & 0o777,
                        mtime_ns=seen.st_mtime_ns,
                    )
                )
            else:
                raise LabError(
                    f"{path} is neither a file nor a folder, and cannot be exported",
                    remedy="edge-lab does not create that: remove it.",
                )
        except FileNotFoundError as trouble:
            raise _changed(path) from trouble
    return ListedEntry(kind=entry.kind.name, name=entry.name, folders=folders, files=tuple(files))


def _walk(path: Path) -> Iterator[Path]:
    yield path
    if path.is_dir():
        yield from sorted(path.rglob("*"))


def _add(tar: tarfile.TarFile, path: Path, name: str, file: ListedFile) -> None:
    try:
        with path.open("rb") as source:
            seen = os.fstat(source.fileno())
            if (seen.st_size, seen.st_mtime_ns) != (file.size, file.mtime_ns):
                raise _changed(path)
            add_file(tar, name, source, file.size, file.mode)
    except FileNotFoundError as trouble:
        raise _changed(path) from trouble


def _changed(path: Path) -> LabError:
    return LabError(f"{path} was changed or removed during the export", remedy="Export again.")
