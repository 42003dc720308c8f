"""The manifest of an archive: all its files with their SHA-256 digests.

An archive is an uncompressed tar. Its first member is the manifest, the others are the files listed
in it, with their paths below the cache, owned by root.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from edge_lab.core.errors import InputError
from edge_lab.upkeep.contents import ARTIFACTS, CHECKPOINTS, PAYLOADS, ROOT_DISKS

NAME = "manifest.json"
FORMAT: Final = 1
LARGEST = 16 << 20
"""Maximum size of a manifest, bytes."""
CARRIED = {kind.name: kind for kind in (ARTIFACTS, ROOT_DISKS, PAYLOADS, CHECKPOINTS)}
"""Kinds that can be exported. Others are created from these in seconds, are not complete (Go's
caches), or contain links (Debian packages)."""

_PART = re.compile(r"[A-Za-z0-9._+@-]+")
_ROOT = "."
"""The path of an entry that is a file."""

Mode = Annotated[int, Field(ge=0, le=0o777)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class ListedFile(_Model):
    """One file of an entry."""

    path: str
    """Path below the entry; `.` if the entry is a file."""
    size: Annotated[int, Field(ge=0)]
    """Bytes, holes included."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    mode: Mode
    mtime_ns: int


class ListedEntry(_Model):
    """One entry of the cache."""

    kind: str
    name: str
    folders: dict[str, Mode] = Field(default_factory=dict)
    """Its folders with their modes; `.` is the entry itself."""
    files: tuple[ListedFile, ...]

    @property
    def place(self) -> str:
        """Its path below the cache."""
        return f"{CARRIED[self.kind].places[0]}/{self.name}"

    @property
    def is_file(self) -> bool:
        return not self.folders

    def path_of(self, file: ListedFile) -> str:
        """The path of one of its files below the cache."""
        return self.place if file.path == _ROOT else f"{self.place}/{file.path}"

    @model_validator(mode="after")
    def _check(self) -> Self:
        kind = CARRIED.get(self.kind)
        if kind is None:
            raise ValueError(f"entries of the kind {self.kind!r} cannot be imported")
        if not kind.fits(self.name):
            raise ValueError(f"{self.name!r} is not a valid name for {self.kind}")
        paths = [file.path for file in self.files]
        if self.is_file:
            if paths != [_ROOT]:
                raise ValueError(f"{self.place} is neither a file nor a folder")
            return self
        for path in (*paths, *(folder for folder in self.folders if folder != _ROOT)):
            if not _is_below(path):
                raise ValueError(f"{path!r} is not a path below {self.place}")
        everything = [*paths, *self.folders]
        if len(set(everything)) != len(everything):
            raise ValueError(f"a path of {self.place} is listed twice")
        for path in everything:
            parent = path.rpartition("/")[0] or _ROOT
            if parent not in self.folders:
                raise ValueError(f"{path!r} of {self.place} is in no folder of it")
        return self


class Manifest(_Model):
    """The content of an archive."""

    format: Literal[1] = FORMAT
    made_by: str
    """The version of edge-lab."""
    cache: str
    """The path of the cache that was exported: saved machines refer to files by it."""
    entries: tuple[ListedEntry, ...]

    @model_validator(mode="after")
    def _check(self) -> Self:
        places = [entry.place for entry in self.entries]
        if len(set(places)) != len(places):
            raise ValueError("an entry is listed twice")
        return self

    def files(self) -> Iterator[tuple[ListedEntry, ListedFile]]:
        """All files, in the order of the archive."""
        for entry in self.entries:
            for file in entry.files:
                yield entry, file

    @property
    def size(self) -> int:
        """Bytes of all files, including holes."""
        return sum(file.size for _, file in self.files())


def _is_below(path: str) -> bool:
    parts = path.split("/")
    return all(_PART.fullmatch(part) and part.strip(".") for part in parts)


def read_manifest(content: bytes, archive: Path) -> Manifest:
    """The manifest in `content`; InputError if this version cannot read it."""
    try:
        return Manifest.model_validate_json(content)
    except ValidationError as trouble:
        first = trouble.errors()[0]
        where = ".".join(map(str, first["loc"]))
        why = f"{where}: {first['msg']}" if where else first["msg"]
        raise InputError(
            f"{NAME} in it: {why}",
            file=archive,
            remedy="Only archives of `lab cache export` of this version can be imported.",
        ) from trouble
