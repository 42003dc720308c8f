"""Container images that somebody else has made: an OCI image layout in a tar, read and verified.

Such an archive is what `skopeo copy … oci-archive:` and `docker buildx build -o type=oci` write;
a layout that lies in a folder becomes one by `tar -C <folder> -cf <file> .`
(OCI image-spec 1.1, image-layout.md.)
"""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from edge_lab.core.errors import InputError
from edge_lab.images.layout import INDEX, MANIFEST, Descriptor, Layout
from edge_lab.topology import Arch

_INDEXES = (INDEX, "application/vnd.docker.distribution.manifest.list.v2+json")
_MANIFESTS = (MANIFEST, "application/vnd.docker.distribution.manifest.v2+json")
_BIGGEST_DOCUMENT = 4 * 1024 * 1024
"""Bytes of an index, a manifest or a configuration: what containerd reads at most, too."""
_DEEPEST = 4
"""Indexes within each other."""


class ImageLayoutArchive:
    """An OCI image layout in a tar."""

    def __init__(self, file: Path, tar: tarfile.TarFile) -> None:
        self._file = file
        self._tar = tar
        self._members = {
            member.name.removeprefix("./"): member for member in tar.getmembers() if member.isreg()
        }

    def copy(self, arch: Arch, into: Layout) -> Descriptor:
        """Adds the image for `arch` with all that it is made of; returns its manifest's descriptor.

        Raises:
            InputError: the archive has none, or more than one, or a part of it is damaged.
        """
        found = {each["digest"]: each for each in self._manifests(self._index(), _DEEPEST)}
        named = [each for each in found.values() if self._is_for(each, arch)]
        if len(named) != 1:
            many = "no image" if not named else f"{len(named)} images"
            raise self._bad(
                f"it holds {many} for linux/{arch.go}",
                "An archive holds one image, for one architecture or for several.",
            )
        manifest = self._document(named[0])
        for part in (manifest["config"], *manifest["layers"]):
            self._add(part, into)
        self._add(named[0], into)
        platform = {"architecture": arch.go, "os": "linux", **(named[0].get("platform") or {})}
        kept = {key: named[0][key] for key in ("mediaType", "digest", "size")}
        return {**kept, "platform": platform}

    def _index(self) -> Descriptor:
        with self._open("index.json") as stream:
            return self._parsed(stream.read(_BIGGEST_DOCUMENT), "index.json")

    def _manifests(self, index: Descriptor, depth: int) -> Iterator[Descriptor]:
        """The images' manifests; what is attached to them (attestations) is none."""
        if not depth:
            raise self._bad("its indexes are nested too deeply")
        for each in index.get("manifests", ()):
            if each.get("mediaType") in _INDEXES:
                yield from self._manifests(self._document(each), depth - 1)
            elif each.get("mediaType") in _MANIFESTS:
                yield each

    def _is_for(self, manifest: Descriptor, arch: Arch) -> bool:
        platform = manifest.get("platform")
        if platform is None:  # of a single image: its configuration says it
            platform = self._document(self._document(manifest)["config"])
        return (platform.get("os"), platform.get("architecture")) == ("linux", arch.go)

    def _document(self, descriptor: Descriptor) -> dict[str, Any]:
        """A verified document."""
        digest = str(descriptor["digest"])
        with self._blob(digest) as stream:
            content = stream.read(_BIGGEST_DOCUMENT)
        if f"sha256:{hashlib.sha256(content).hexdigest()}" != digest:
            raise self._bad(f"its part {digest} is damaged: the content has another digest")
        return self._parsed(content, digest)

    def _parsed(self, content: bytes, name: str) -> dict[str, Any]:
        try:
            document = json.loads(content)
        except ValueError as trouble:
            raise self._bad(f"its {name} is no JSON: {trouble}") from trouble
        if not isinstance(document, dict):
            raise self._bad(f"its {name} is no JSON object")
        return document

    def _add(self, descriptor: Descriptor, into: Layout) -> None:
        digest = str(descriptor["digest"])
        with self._blob(digest) as stream:
            if into.add_blob(stream) != digest:
                raise self._bad(f"its part {digest} is damaged: the content has another digest")

    def _blob(self, digest: str) -> IO[bytes]:
        algorithm, _, name = digest.partition(":")
        if algorithm != "sha256":
            raise self._bad(f"its part {digest} is named by {algorithm}, not by sha256")
        return self._open(f"blobs/sha256/{name}")

    def _open(self, name: str) -> IO[bytes]:
        member = self._members.get(name)
        stream = self._tar.extractfile(member) if member else None
        if stream is None:
            raise self._bad(
                f"it has no {name}",
                "An OCI image layout in a tar is wanted: skopeo copy … oci-archive:<file>.",
            )
        return stream

    def _bad(self, what: str, remedy: str = "") -> InputError:
        return InputError(f"the image cannot be used: {what}", file=self._file, remedy=remedy)


def copy_image(file: Path, arch: Arch, into: Layout) -> Descriptor:
    """Adds the image for `arch` of the archive `file` to a layout.

    Raises:
        InputError: the file is no such archive, has no such image, or is damaged.
    """
    try:
        with tarfile.open(file) as tar:
            return ImageLayoutArchive(file, tar).copy(arch, into)
    except (tarfile.TarError, EOFError) as trouble:
        raise InputError(
            f"no container image: {trouble}",
            file=file,
            remedy="An OCI image layout in a tar is wanted: skopeo copy … oci-archive:<file>.",
        ) from trouble
    except (KeyError, TypeError, AttributeError) as trouble:
        raise InputError(
            f"the image cannot be used: a document in it lacks or misuses {trouble}", file=file
        ) from trouble
