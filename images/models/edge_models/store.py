"""The versions of one model on a node's disk, and its state.

    FOLDER/state.json            which version serves, which one before; replaced by rename
    FOLDER/versions/HEX/         one version: manifest.json and its files
    FOLDER/fetching/HEX          parts of files that are not complete

A version gets its name by a rename, after all of its files are on the disk and verified: it is
complete or absent, whenever the power fails.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .states import State, from_json, to_json

MANIFEST = "manifest.json"
TITLE = "org.opencontainers.image.title"


class Corrupt(Exception):
    """Content is not what its digest says."""


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
        """Replaces the state as a whole; it is on the disk afterwards."""
        draft = self.folder / "state.new"
        with draft.open("w", encoding="utf-8") as sink:
            json.dump(to_json(state), sink)
            sink.flush()
            os.fsync(sink.fileno())
        draft.rename(self.state_file)
        sync_folder(self.folder)

    # -- versions --------------------------------------------------------------------------------

    def version(self, digest: str) -> Path:
        return self._versions / digest.removeprefix("sha256:")

    def has(self, digest: str) -> bool:
        return self.version(digest).is_dir()

    def part(self, digest: str) -> Path:
        """Where a file is collected until it is complete."""
        return self._fetching / digest.removeprefix("sha256:")

    def add(self, digest: str, manifest: bytes) -> None:
        """Makes a version of its parts, which must be complete.

        Raises:
            Corrupt: manifest or a part are not what their digests say; the parts are removed.
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
        draft.mkdir()
        (draft / MANIFEST).write_bytes(manifest)
        for part in parts:
            shutil.copyfile(self.part(part.digest), draft / part.name)
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


def sync_folder(folder: Path) -> None:
    """The names in a folder are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Journal:
    """Lines of JSON; with `durable`, each is on the disk when it is written."""

    def __init__(self, path: Path, *, durable: bool = True) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | (os.O_DSYNC if durable else 0)
        self._file = os.open(path, flags, 0o644)

    def add(self, **record: Any) -> None:
        # After a line that a loss of power has cut short, this one begins on a new line.
        os.write(self._file, b"\n" + json.dumps(record).encode() + b"\n")


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
