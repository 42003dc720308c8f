"""Payload disks: read-only ext4 of binaries and image archives, one for each set of files."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from edge_lab.artifacts.diskspace import disk_full, disk_full_as_error
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.core.home import cache_home, mark_used
from edge_lab.core.step import step
from edge_lab.images.contained import need_tools
from edge_lab.images.ext4 import Source, make_ext4, write_files
from edge_lab.images.scratch import building, settle
from edge_lab.provisioning.provision import PayloadFile

KIND = "payload"
LABEL = "payload"
FORMAT = 3
"""Increase it if equal files give a different disk."""

_MIB = 1024 * 1024
_BLOCK = 4096
_ROOM_PERCENT = 12
_ROOM_MIB = 8
_PATH = re.compile(r"[A-Za-z0-9._+@-]+(/[A-Za-z0-9._+@-]+)*")


def payload_digest(files: Sequence[PayloadFile]) -> str:
    """Hex SHA-256 over paths, contents and modes, independent of the order of `files`."""
    lines = sorted(f"{file.path} {file.sha256} {file.executable}\n" for file in files)
    return hashlib.sha256(f"{FORMAT}\n{''.join(lines)}".encode()).hexdigest()


def build_payload_disk(files: Sequence[PayloadFile], deadline: Deadline) -> Path:
    """An ext4 disk with `files`, all owned by root; from the cache, or built in seconds.

    Raises:
        LabError: a path is used twice or leads out of the disk, or a file does not match
            its digest.
    """
    _check_paths(files)
    disk = cache_home() / "payloads" / f"{payload_digest(files)}.ext4"
    if disk.exists():
        mark_used(disk)
        return disk
    with step(f"make a payload disk of {len(files)} files") as this:
        need_tools(["mke2fs", "debugfs"])
        size = sum(_rounded(_verified_size(file)) for file in files)
        mib = size * (100 + _ROOM_PERCENT) // 100 // _MIB + _ROOM_MIB
        with (
            disk_full_as_error(cache_home(), mib * _MIB),
            building(KIND, deadline, this) as scratch,
        ):
            if disk.exists():
                return disk
            deadline.check("making the payload disk")
            if shutil.disk_usage(scratch).free < mib * _MIB:
                raise disk_full(cache_home(), mib * _MIB)
            draft = scratch / "disk.ext4"
            links = scratch / "links"
            links.mkdir()
            make_ext4(draft, None, mib=mib, label=LABEL, journal=False)
            sources = {
                file.path: Source(file.source, 0o755 if file.executable else 0o644)
                for file in files
            }
            write_files(draft, sources, links)
            draft.chmod(0o444)
            settle(draft)
            disk.parent.mkdir(parents=True, exist_ok=True)
            draft.rename(disk)
    return disk


def _check_paths(files: Sequence[PayloadFile]) -> None:
    paths = [PurePosixPath(file.path) for file in files]
    for path in paths:
        if not _PATH.fullmatch(str(path)) or ".." in path.parts or not path.parts:
            raise LabError(f"{str(path)!r} is not a path below the payload's mount point")
    twice = {path for path in paths if paths.count(path) > 1}
    if twice:
        raise LabError(f"two payload files have the same path {min(twice)}")
    if clash := {parent for path in paths for parent in path.parents} & set(paths):
        raise LabError(f"{min(clash)} is both a file and a folder in the payload")


def _rounded(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK


def _verified_size(file: PayloadFile) -> int:
    """The size of a file in bytes, after verifying its digest."""
    try:
        with file.source.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
            size = os.fstat(stream.fileno()).st_size
    except OSError as trouble:
        raise LabError(
            f"cannot read {file.source} for the payload: {trouble.strerror}"
        ) from trouble
    if found != file.sha256:
        raise LabError(
            f"{file.source} was changed after it was built: its SHA-256 is {found}, "
            f"expected {file.sha256}",
            remedy="Remove it and run `lab up` again to rebuild it.",
        )
    return size
