"""Imports an archive into the cache: either all of it, verified, or nothing."""

from __future__ import annotations

import errno
import hashlib
import os
import tarfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from edge_lab.artifacts.cache import is_artifact
from edge_lab.artifacts.checksums import file_digest
from edge_lab.artifacts.diskspace import disk_full, disk_full_as_error
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import InputError, LabError
from edge_lab.core.step import Step, step
from edge_lab.handle.state import load_state
from edge_lab.images.root import is_root_image
from edge_lab.images.scratch import building
from edge_lab.upkeep.contents import ARTIFACTS, CHECKPOINTS, ROOT_DISKS
from edge_lab.upkeep.manifest import (
    LARGEST,
    NAME,
    ListedEntry,
    ListedFile,
    Manifest,
    read_manifest,
)
from edge_lab.upkeep.sparse import is_sound
from edge_lab.upkeep.uses import stands_on

_CHUNK = 1 << 18
_ZEROS = bytes(_CHUNK)
_NO_TAR = (tarfile.TarError, EOFError, ValueError, LookupError, OverflowError)
"""Raised by tarfile for damaged headers."""
_EXPORT_AGAIN = "Export it again, and copy all of it."


@dataclass(frozen=True)
class Imported:
    """The result for the entries of an archive."""

    added: tuple[ListedEntry, ...]
    present: tuple[ListedEntry, ...]
    """Entries that the cache had already; not changed."""
    unfit: tuple[tuple[ListedEntry, str], ...]
    """Checkpoints from which no lab could be restored here, with the reason."""


def import_archive(cache: Path, archive: Path, deadline: Deadline) -> Imported:
    """Adds the entries of `archive` that the cache does not have.

    All files are written to a scratch folder, and their digests are verified there; they are moved
    to the cache only if all are correct.

    Raises:
        InputError: it is not an archive of `lab cache export`, or is damaged; nothing was added.
        LabError: the disk is full, or the cache cannot be written to.
    """
    try:
        with archive.open("rb") as stream, tarfile.open(fileobj=stream, mode="r:") as tar:
            return _import(cache, archive, tar, deadline)
    except _NO_TAR as trouble:
        raise InputError(
            f"not a complete tar archive: {trouble}",
            file=archive,
            remedy=f"If it is compressed, decompress it first. {_EXPORT_AGAIN}",
        ) from trouble
    except (FileNotFoundError, IsADirectoryError, PermissionError) as trouble:
        if trouble.filename != str(archive):
            raise
        raise InputError(f"cannot read it: {trouble.strerror}", file=archive) from trouble


def _import(cache: Path, archive: Path, tar: tarfile.TarFile, deadline: Deadline) -> Imported:
    manifest = _manifest(tar, archive)
    for entry in manifest.entries:
        _require_own(cache, cache / entry.place)
    present = tuple(entry for entry in manifest.entries if os.path.lexists(cache / entry.place))
    free = os.statvfs(cache)
    if free.f_bavail * free.f_frsize < (needed := archive.stat().st_size):
        raise disk_full(cache, needed)
    with (
        step(f"import {len(manifest.entries)} entries") as this,
        disk_full_as_error(cache, needed),
        building("import", deadline, this) as scratch,
    ):
        foreign = manifest.cache != str(cache)
        strangers = [
            entry for entry in manifest.entries if foreign and entry.kind == CHECKPOINTS.name
        ]
        _extract(tar, archive, manifest, scratch, [*present, *strangers], this, deadline)
        new = [entry for entry in manifest.entries if entry not in present]
        for entry in (newcomer for newcomer in new if newcomer not in strangers):
            _check(entry, scratch / entry.place, archive)
        unfit = [
            (entry, reason)
            for entry in new
            if entry.kind == CHECKPOINTS.name
            and (reason := _misfit(cache, manifest, present, scratch / entry.place))
        ]
        left_out = [entry for entry, _ in unfit]
        added = [entry for entry in new if entry not in left_out and _place(entry, cache, scratch)]
    return Imported(tuple(added), present, tuple(unfit))


def _manifest(tar: tarfile.TarFile, archive: Path) -> Manifest:
    first = tar.next()
    if first is None or first.name != NAME or not first.isreg() or first.size > LARGEST:
        raise InputError(
            f"it does not begin with {NAME}",
            file=archive,
            remedy="Only archives of `lab cache export` can be imported.",
        )
    content = tar.extractfile(first)
    assert content is not None  # it is a regular file
    return read_manifest(content.read(), archive)


def _require_own(cache: Path, target: Path) -> None:
    """LabError if a folder above `target` is a link, or belongs to another user."""
    for folder in (cache, *reversed(target.relative_to(cache).parents[:-1])):
        path = cache / folder
        try:
            owner = path.lstat().st_uid
        except FileNotFoundError:
            return  # nor does anything below it exist
        if path.is_symlink() and path != cache:
            raise LabError(
                f"{path} is a link, which an import does not follow",
                remedy="Replace it with a folder, or set XDG_CACHE_HOME to another cache.",
            )
        if owner != os.geteuid():
            raise LabError(
                f"{path} belongs to another user ({owner})",
                remedy="Import as the owner of the cache.",
            )


def _extract(
    tar: tarfile.TarFile,
    archive: Path,
    manifest: Manifest,
    scratch: Path,
    unwanted: Collection[ListedEntry],
    this: Step,
    deadline: Deadline,
) -> None:
    """Writes all files to `scratch`; for unwanted entries, only verifies the digests."""
    expected = {entry.path_of(file): (entry, file) for entry, file in manifest.files()}
    total, done = manifest.size or 1, 0
    for entry in manifest.entries:
        for folder in () if entry in unwanted else sorted(entry.folders):
            (scratch / entry.place / folder).mkdir(parents=True, mode=0o700, exist_ok=True)
    while (member := tar.next()) is not None:
        deadline.check(f"importing {archive.name}")
        entry, file = _listed(member, expected, archive)
        this.progress(entry.name, done / total)
        target = None if entry in unwanted else scratch / entry.path_of(file)
        if target is not None:
            target.parent.mkdir(parents=True, exist_ok=True)
        _copy(tar, member, file, target, archive)
        if target is not None and not entry.is_file:
            os.utime(target, ns=(file.mtime_ns, file.mtime_ns))
        done += file.size
    if expected:
        raise InputError(
            f"{len(expected)} files of its manifest are not in it, such as {min(expected)}",
            file=archive,
            remedy=_EXPORT_AGAIN,
        )
    for entry in manifest.entries:
        for folder, mode in () if entry in unwanted else entry.folders.items():
            (scratch / entry.place / folder).chmod(mode | 0o700)


def _listed(
    member: tarfile.TarInfo, expected: dict[str, tuple[ListedEntry, ListedFile]], archive: Path
) -> tuple[ListedEntry, ListedFile]:
    """The manifest's record of a member; each member occurs once."""

    def refused(why: str) -> InputError:
        return InputError(
            f"{member.name!r} in it {why}; nothing was imported",
            file=archive,
            remedy="Only archives of `lab cache export` can be imported.",
        )

    if not member.isreg():
        raise refused("is a link, a device or a folder")
    if (member.uid, member.gid) != (0, 0) or member.uname or member.gname:
        raise refused("names an owner")
    if member.mode & ~0o777:
        raise refused("has a setuid, setgid or sticky mode")
    found = expected.pop(member.name, None)
    if found is None:
        raise refused("is not in the manifest, or occurs twice")
    if member.size != found[1].size or not is_sound(member):
        raise refused("differs in size from the manifest")
    return found


def _copy(
    tar: tarfile.TarFile,
    member: tarfile.TarInfo,
    file: ListedFile,
    target: Path | None,
    archive: Path,
) -> None:
    """Writes a member to the new file `target`, if given; blocks of zeros become holes."""
    content = tar.extractfile(member)
    assert content is not None  # it is a regular file
    digest = hashlib.sha256()
    sink = None
    if target is not None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        sink = os.fdopen(os.open(target, flags, 0o600), "wb")
    try:
        left = file.size
        while left:
            chunk = content.read(min(left, _CHUNK))
            if not chunk:
                break
            left -= len(chunk)
            digest.update(chunk)
            if sink is None:
                continue
            if chunk == _ZEROS[: len(chunk)]:
                sink.seek(len(chunk), os.SEEK_CUR)
            else:
                sink.write(chunk)
        if left or digest.hexdigest() != file.sha256:
            raise InputError(
                f"{member.name!r} in it is damaged: its SHA-256 is not {file.sha256}; nothing was "
                "imported",
                file=archive,
                remedy=_EXPORT_AGAIN,
            )
        if sink is not None:
            sink.truncate(file.size)
            sink.flush()
            os.fchmod(sink.fileno(), file.mode)
            os.fsync(sink.fileno())
    finally:
        if sink is not None:
            sink.close()


def _check(entry: ListedEntry, folder: Path, archive: Path) -> None:
    """InputError if the digests of an entry are correct, but do not match its name."""
    checks = {
        ARTIFACTS.name: is_artifact,
        ROOT_DISKS.name: is_root_image,
        CHECKPOINTS.name: _is_checkpoint,
    }
    check = checks.get(entry.kind)
    if check is not None and not check(folder, entry.name):
        raise InputError(
            f"{entry.place} in it does not match its own record; nothing was imported",
            file=archive,
            remedy=_EXPORT_AGAIN,
        )


def _is_checkpoint(folder: Path, name: str) -> bool:
    try:
        return load_state(folder / "state.json").checkpoint == name
    except (LabError, OSError):
        return False


def _misfit(
    cache: Path, manifest: Manifest, present: tuple[ListedEntry, ...], checkpoint: Path
) -> str:
    """Why no lab could be restored from a checkpoint here; empty if it could.

    Its disks are overlays over a root disk with exactly the same bytes at the same path.
    """
    if manifest.cache != str(cache):
        return f"its machines have their disks in {manifest.cache}"
    for path in stands_on(load_state(checkpoint / "state.json")):
        if cache not in path.parents:
            return f"it needs {path}"
        place = str(path.relative_to(cache))
        entry = next((listed for listed in manifest.entries if _holds(listed, place)), None)
        if entry is None:
            return f"it needs {place}, which is not in the archive"
        if entry in present and not _same(cache, entry):
            return f"it needs another {entry.place} than the existing one"
    return ""


def _holds(entry: ListedEntry, place: str) -> bool:
    return entry.place == place or place.startswith(f"{entry.place}/")


def _same(cache: Path, entry: ListedEntry) -> bool:
    """Whether the entry in the cache has the same bytes as in the archive."""
    try:
        return all(file_digest(cache / entry.path_of(file)) == file.sha256 for file in entry.files)
    except OSError:
        return False


def _place(entry: ListedEntry, cache: Path, scratch: Path) -> bool:
    """Moves a complete entry to its place; False if another process has created it meanwhile."""
    target = cache / entry.place
    target.parent.mkdir(parents=True, exist_ok=True)
    if os.path.lexists(target):
        return False
    try:
        (scratch / entry.place).rename(target)
    except OSError as trouble:
        if trouble.errno in (errno.EEXIST, errno.ENOTEMPTY):
            return False
        if trouble.errno == errno.EXDEV:
            raise LabError(
                f"{target.parent} is on another file system than {cache}",
                remedy="Set XDG_CACHE_HOME to import into a cache on a single file system.",
            ) from trouble
        raise
    return True
