"""Content of docker-registry as files, in its own layout (distribution 2.8,
registry/storage/paths.go), so that nothing has to be pushed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

_TOP = "docker/registry/v2"


def put_blobs(storage: Path, files: Iterable[Path]) -> None:
    """Moves `files`, each named by its SHA-256 in hex, into the storage."""
    for file in files:
        place = blob_place(storage, f"sha256:{file.name}")
        place.parent.mkdir(parents=True, exist_ok=True)
        file.rename(place)


def blob_place(storage: Path, digest: str) -> Path:
    """The file with the content of a digest."""
    value = digest.removeprefix("sha256:")
    return storage / _TOP / "blobs/sha256" / value[:2] / value / "data"


class Repository:
    """One repository of a storage: which digests it serves, and its tags."""

    def __init__(self, storage: Path, name: str) -> None:
        self._folder = storage / _TOP / "repositories" / name

    def add_part(self, digest: str) -> None:
        """Serves a layer or a configuration."""
        _link(self._folder / "_layers", digest)

    def add_manifest(self, digest: str) -> None:
        """Serves a manifest or an index."""
        _link(self._folder / "_manifests/revisions", digest)

    def tag(self, name: str, digest: str) -> None:
        """Names a manifest or an index."""
        tag = self._folder / "_manifests/tags" / name
        _link(tag / "index", digest)
        _write_link(tag / "current", digest)


def _link(folder: Path, digest: str) -> None:
    """A link of docker-registry: a file that names a digest."""
    algorithm, _, value = digest.partition(":")
    _write_link(folder / algorithm / value, digest)


def _write_link(folder: Path, digest: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "link").write_text(digest, encoding="utf-8")
