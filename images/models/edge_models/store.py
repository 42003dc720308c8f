"""The versions of one model on a node's disk, and its state.

    FOLDER/state.json            which version serves, which one before; replaced by rename
    FOLDER/state.new             the file of the next state: it has its block already
    FOLDER/versions/HEX/         one version: manifest.json and its files
    FOLDER/fetching/HEX          parts of files that are not complete

A version gets its name by a rename, after all of its files are on the disk and verified: it is
complete or absent, whenever the power fails. On a full disk, states are written as before, and the
lines of journals too, as long as the space that they have reserved lasts.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import hashlib
import json
import os
import shutil
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .states import State, from_json, to_json

MANIFEST = "manifest.json"
TITLE = "org.opencontainers.image.title"
STATE_BYTES = 4096
"""Size of the file of a state: one block, most of it blanks."""
RESERVED_BYTES = 1024 * 1024
"""Of a journal: so much is reserved for its next lines, anew when half of it is used up."""
MOST_WAITING = 1000
"""Lines of a journal that wait in memory for space on the disk; the oldest are dropped."""

_FULL = (errno.ENOSPC, errno.EDQUOT)
_FALLOC_FL_KEEP_SIZE = 1
_libc = ctypes.CDLL(None, use_errno=True)


class Corrupt(Exception):
    """Content is not what its digest says."""


class NoSpace(Exception):
    """The disk is full; a later attempt may succeed."""


@contextlib.contextmanager
def needing_space() -> Iterator[None]:
    """Raises NoSpace instead of the OSError of a full disk."""
    try:
        yield
    except OSError as trouble:
        if trouble.errno in _FULL:
            raise NoSpace("no space is left on the disk") from trouble
        raise


@dataclass(frozen=True)
class Part:
    """One file of a version, from its manifest."""

    name: str
    digest: str
    size: int


def parts_of(manifest: bytes) -> tuple[Part, ...]:
    """The files of a version.

    Raises:
        Corrupt: it is no manifest of one.
    """
    try:
        found: Mapping[str, Any] = json.loads(manifest)
        parts = tuple(
            Part(one["annotations"][TITLE], str(one["digest"]), int(one["size"]))
            for one in found["layers"]
        )
    except (ValueError, KeyError, TypeError) as trouble:
        raise Corrupt(f"no manifest of a model: {trouble!r}") from trouble
    names = [part.name for part in parts]
    if not names or any("/" in name or name in ("", ".", "..", MANIFEST) for name in names):
        raise Corrupt(f"not the names of a model's files: {names}")
    return parts


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def file_digest(path: Path) -> str:
    with path.open("rb") as stream:
        return f"sha256:{hashlib.file_digest(stream, 'sha256').hexdigest()}"


class Store:
    """The folder of one model."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._versions = folder / "versions"
        self._fetching = folder / "fetching"
        with needing_space():
            for path in (self._versions, self._fetching):
                path.mkdir(parents=True, exist_ok=True)

    # -- state -----------------------------------------------------------------------------------

    @property
    def state_file(self) -> Path:
        return self.folder / "state.json"

    def state(self) -> State:
        try:
            return from_json(json.loads(self.state_file.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return State()

    def write(self, state: State) -> None:
        """Replaces the state as a whole; it is on the disk afterwards.

        The file of the state before becomes that of the next one, so that no block is needed: a
        rollback is possible on a full disk.

        Raises:
            NoSpace: it is the first state, and the disk is full.
        """
        draft, before = self._draft, self.folder / "state.old"
        content = json.dumps(to_json(state)).encode().ljust(STATE_BYTES)
        with needing_space():
            self._make_draft()
            with draft.open("r+b") as sink:
                sink.write(content)
                sink.truncate()
                sink.flush()
                os.fsync(sink.fileno())
            if self.state_file.exists():
                before.hardlink_to(self.state_file)
            draft.rename(self.state_file)
            if before.exists():
                before.rename(draft)
            sync_folder(self.folder)
        with contextlib.suppress(OSError):
            self._make_draft()

    @property
    def _draft(self) -> Path:
        return self.folder / "state.new"

    def _make_draft(self) -> None:
        """It exists with its block, and no other name leads to it, whatever an earlier write that
        was cut short has left."""
        draft, before = self._draft, self.folder / "state.old"
        if before.exists() and not draft.exists():
            before.rename(draft)
        before.unlink(missing_ok=True)
        if draft.exists() and draft.stat().st_nlink > 1:
            draft.unlink()
        if not draft.exists():
            draft.write_bytes(b" " * STATE_BYTES)

    # -- versions --------------------------------------------------------------------------------

    def version(self, digest: str) -> Path:
        return self._versions / digest.removeprefix("sha256:")

    def has(self, digest: str) -> bool:
        return self.version(digest).is_dir()

    def part(self, digest: str) -> Path:
        """Where a file is collected until it is complete."""
        return self._fetching / digest.removeprefix("sha256:")

    def missing(self, parts: tuple[Part, ...]) -> int:
        """Bytes of files that are not there yet."""
        return sum(max(0, part.size - _size(self.part(part.digest))) for part in parts)

    def require_space(self, count: int) -> None:
        """Tries to allocate this number of bytes: some file systems report space as free that they
        keep for themselves.

        Raises:
            NoSpace: the disk has less.
        """
        trial = self._fetching / "trial"
        try:
            with needing_space(), trial.open("wb") as sink:
                os.posix_fallocate(sink.fileno(), 0, count)
        except NoSpace as trouble:
            raise NoSpace(f"the disk has no space for {count} bytes") from trouble
        finally:
            trial.unlink(missing_ok=True)

    def add(self, digest: str, manifest: bytes) -> None:
        """Makes a version of its parts, which must be complete.

        Raises:
            Corrupt: manifest or a part are not what their digests say; the parts are removed.
            NoSpace: the disk is full; the parts are kept.
        """
        if digest_of(manifest) != digest:
            raise Corrupt(f"the manifest has the digest {digest_of(manifest)}, not {digest}")
        parts = parts_of(manifest)
        for part in parts:
            path = self.part(part.digest)
            found = file_digest(path)
            if found != part.digest:
                path.unlink()
                raise Corrupt(f"{part.name} has the digest {found}, not {part.digest}")
        draft = self._versions / "unfinished"
        shutil.rmtree(draft, ignore_errors=True)
        with needing_space():
            draft.mkdir()
            (draft / MANIFEST).write_bytes(manifest)
            for part in parts:
                # Not a copy, which would need the space twice.
                (draft / part.name).hardlink_to(self.part(part.digest))
            for path in draft.iterdir():
                with path.open("rb") as stream:
                    os.fsync(stream.fileno())
            sync_folder(draft)
            target = self.version(digest)
            shutil.rmtree(target, ignore_errors=True)
            draft.rename(target)
            sync_folder(self._versions)
        for part in parts:
            self.part(part.digest).unlink(missing_ok=True)

    def damage(self, digest: str) -> str:
        """What is wrong with a version on the disk; empty if it is what its digest says."""
        return damage_of(self.version(digest), digest)

    def prune(self, kept: frozenset[str]) -> None:
        """Removes all other versions, and parts of files that no kept version waits for."""
        names = {digest.removeprefix("sha256:") for digest in kept}
        for path in self._versions.iterdir():
            if path.name not in names:
                shutil.rmtree(path, ignore_errors=True)

    def drop_parts(self) -> None:
        for path in self._fetching.iterdir():
            path.unlink(missing_ok=True)


def damage_of(folder: Path, digest: str) -> str:
    """What is wrong with the version in a folder; empty if it is what its digest says."""
    try:
        manifest = (folder / MANIFEST).read_bytes()
        if digest_of(manifest) != digest:
            return f"{MANIFEST} is not the one of {digest}"
        for part in parts_of(manifest):
            if file_digest(folder / part.name) != part.digest:
                return f"{part.name} is not what its digest says"
    except (OSError, Corrupt) as trouble:
        return str(trouble)
    return ""


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def sync_folder(folder: Path) -> None:
    """The names in a folder are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Journal:
    """Lines of JSON; each is on the disk when it is written, so a loss of power takes none.

    Space for the next lines is reserved behind the file's end. When that is used up and the disk is
    full, lines wait in memory.
    """

    def __init__(self, path: Path, *, reserved_bytes: int = RESERVED_BYTES) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_DSYNC
        self._file = os.open(path, flags, 0o644)
        self._reserved = reserved_bytes
        self._until = 0
        self._waiting: deque[bytes] = deque(maxlen=MOST_WAITING)
        self._reserve()

    def add(self, **record: Any) -> None:
        # After a line that a loss of power has cut short, this one begins on a new line.
        self._waiting.append(b"\n" + json.dumps(record).encode() + b"\n")
        self._reserve()
        with contextlib.suppress(NoSpace), needing_space():
            while self._waiting:
                line = self._waiting[0]
                written = os.write(self._file, line)
                if written < len(line):
                    self._waiting[0] = line[written:]
                else:
                    self._waiting.popleft()

    def _reserve(self) -> None:
        """What cannot be reserved is not: the next line tries again."""
        end = os.fstat(self._file).st_size
        if end + self._reserved // 2 < self._until:
            return
        count = ctypes.c_int64(self._reserved)
        # posix_fallocate would change the size, and readers take the size for the end.
        if not _libc.fallocate(self._file, _FALLOC_FL_KEEP_SIZE, ctypes.c_int64(end), count):
            self._until = end + self._reserved


def tail_of(path: Path, count: int) -> list[dict[str, Any]]:
    """The records among the last `count` bytes of a journal."""
    found: list[dict[str, Any]] = []
    with contextlib.suppress(FileNotFoundError), path.open("rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, size - count))
        for line in stream.read().split(b"\n"):
            with contextlib.suppress(ValueError):
                record = json.loads(line)
                if isinstance(record, dict):
                    found.append(record)
    return found
