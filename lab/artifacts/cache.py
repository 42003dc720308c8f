"""The cache of artifacts: files are verified before they are added and when they are used.

An artifact lies at `<component>/<version>-<arch>-<key>/<component>`, its record beside it as
`artifact.json`.  Both are written to a scratch folder on the same filesystem first and
renamed into place; a crash between the two leaves a file that disagrees with its record,
which counts as a cache miss.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from edge_lab.artifacts.checksums import file_digest
from edge_lab.artifacts.diskspace import disk_full_as_error
from edge_lab.artifacts.model import Artifact, Component
from edge_lab.core.home import mark_used
from edge_lab.topology import Arch

RECORD = "artifact.json"
KEY_DIGITS = 16
"""Number of hex digits of the cache key in a folder's name."""
_SCRATCH = ".scratch-"


class Record(BaseModel):
    """The record that is stored beside an artifact."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    component: str
    version: str
    arch: Arch
    key: str
    sha256: str
    size: int
    """Bytes."""
    mtime_ns: int
    source: str
    module: str = ""
    """Digest of go.mod and go.sum (and of local sources), if it was built from them."""
    toolchain: str = ""
    """The version of Go that built it."""
    vouched: str = ""
    """The expected digest of the file that contained it, and where that digest was published."""


@dataclass(frozen=True)
class Origin:
    """The origin of a file that is being added to the cache."""

    source: str
    module: str = ""
    toolchain: str = ""
    vouched: str = ""


class ArtifactCache:
    """All artifacts below `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def look(self, component: Component, arch: Arch, key: str) -> Artifact | None:
        """The artifact with that key, if it exists and is intact.

        Size and modification time are compared with the record; only if the time differs
        (a copied cache) is the whole file read.
        """
        file = self._file(component, arch, key)
        record = _read_record(file.with_name(RECORD))
        if record is None or record.key != key:
            return None
        try:
            seen = file.stat()
        except OSError:
            return None
        if seen.st_size != record.size:
            return None
        if seen.st_mtime_ns != record.mtime_ns:
            if file_digest(file) != record.sha256:
                return None
            with contextlib.suppress(OSError):  # the cache may be read-only
                os.utime(file, ns=(record.mtime_ns, record.mtime_ns))
        mark_used(file.parent)
        return _artifact(record, file)

    def put(
        self, file: Path, component: Component, arch: Arch, key: str, origin: Origin
    ) -> Artifact:
        """Moves `file`, which must be verified and in a `scratch` folder, into the cache."""
        target = self._file(component, arch, key)
        size = file.stat().st_size
        with disk_full_as_error(self.root, size):
            target.parent.mkdir(parents=True, exist_ok=True)
            file.chmod(0o555)
            _sync(file)
            record = Record(
                component=component.name,
                version=component.version,
                arch=arch,
                key=key,
                sha256=file_digest(file),
                size=size,
                mtime_ns=file.stat().st_mtime_ns,
                source=origin.source,
                module=origin.module,
                toolchain=origin.toolchain,
                vouched=origin.vouched,
            )
            note = file.with_name(f"{file.name}.json")
            note.write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")
            _sync(note)
            file.replace(target)
            note.replace(target.with_name(RECORD))
            _sync(target.parent)
        return _artifact(record, target)

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Path]:
        """A temporary folder on the cache's filesystem, removed after the block."""
        with disk_full_as_error(self.root, 0):
            self.root.mkdir(parents=True, exist_ok=True)
            folder = Path(tempfile.mkdtemp(prefix=_SCRATCH, dir=self.root))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def sweep(self) -> None:
        """Removes what a killed process left behind; only for the holder of the build lock."""
        for folder in self.root.glob(f"{_SCRATCH}*"):
            shutil.rmtree(folder, ignore_errors=True)

    def verify(self) -> tuple[Path, ...]:
        """Reads every artifact in full; removes and returns the damaged ones."""
        broken = []
        for note in sorted(self.root.glob(f"*/*/{RECORD}")):
            record = _read_record(note)
            file = note.with_name(note.parent.parent.name)
            if record is None or not file.is_file() or file_digest(file) != record.sha256:
                broken.append(file)
                shutil.rmtree(note.parent, ignore_errors=True)
        return tuple(broken)

    def _file(self, component: Component, arch: Arch, key: str) -> Path:
        folder = f"{component.version}-{arch.value}-{key[:KEY_DIGITS]}"
        return self.root / component.name / folder / component.name


def is_artifact(folder: Path, name: str) -> bool:
    """Whether `folder` has an artifact that matches its record, and whose name in a cache is
    `name`: <component>/<version>-<arch>-<key>."""
    record = _read_record(folder / RECORD)
    if record is None:
        return False
    file = folder / record.component
    key = f"{record.version}-{record.arch.value}-{record.key[:KEY_DIGITS]}"
    return (
        name == f"{record.component}/{key}"
        and file.is_file()
        and file.stat().st_size == record.size
        and file_digest(file) == record.sha256
    )


def _artifact(record: Record, file: Path) -> Artifact:
    return Artifact(
        record.component, record.version, record.arch, file, record.sha256, record.source
    )


def _read_record(note: Path) -> Record | None:
    try:
        return Record.model_validate_json(note.read_text(encoding="utf-8"))
    except (OSError, ValidationError, UnicodeDecodeError):
        return None


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
