"""Existing container images: an OCI image layout, as a tar archive or a folder.

`skopeo copy … oci-archive:` and `docker buildx build -o type=oci` write the former, and
`skopeo copy … oci:` the latter. Everything that is read is compared with its digest, so that the
image's digest verifies all of it in either form. (OCI image-spec 1.1, image-layout.md.)
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import lzma
import re
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from edge_lab.topology import Arch

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_INDEXES = (INDEX, "application/vnd.docker.distribution.manifest.list.v2+json")
_MANIFESTS = (MANIFEST, "application/vnd.docker.distribution.manifest.v2+json")
_BIGGEST_DOCUMENT = 4 * 1024 * 1024
"""Maximum bytes of an index, a manifest or a configuration; containerd accepts up to 8 MiB."""
_DEEPEST = 4
"""Maximum nesting of indexes."""
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")

Descriptor = dict[str, Any]


class NoImage(Exception):
    """Not an image layout, damaged, or without that image; `reason` describes which."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ImageLayout:
    """An image layout whose parts are opened by path; None for missing ones."""

    def __init__(self, open_part: Callable[[str], IO[bytes] | None]) -> None:
        self._open_part = open_part

    def manifest(self, arch: Arch, image: str = "") -> Descriptor:
        """The manifest of the one image for `arch`; `image` is a digest (sha256:…) that it has, or
        that an index has which it is in.

        Raises:
            NoImage: there is none, or more than one.
        """
        top = self._parsed(self._content("index.json"), "index.json")
        reached = [
            manifest
            for manifest, within in self._walk(top, (), _DEEPEST)
            if not image or image in (manifest["digest"], *within)
        ]
        if not reached:
            raise NoImage(f"it contains no {image or 'image'}")
        found = {
            manifest["digest"]: manifest for manifest in reached if self._is_for(manifest, arch)
        }
        if len(found) != 1:
            raise NoImage(f"it contains {len(found) or 'no'} images for linux/{arch.go}, not one")
        (descriptor,) = found.values()
        # The result must not depend on the index through which it was found.
        return {
            "mediaType": descriptor["mediaType"],
            "digest": descriptor["digest"],
            "size": self.copy(descriptor["digest"], io.BytesIO()),
            "platform": {"architecture": arch.go, "os": "linux"},
        }

    def parts(self, manifest: Descriptor) -> tuple[str, ...]:
        """The digests of all parts of an image, with that of its manifest at the end."""
        content = self._document(manifest)
        parts = (content["config"], *content["layers"], manifest)
        return tuple(dict.fromkeys(str(part["digest"]) for part in parts))

    def copy(self, digest: str, sink: IO[bytes]) -> int:
        """Writes a part to `sink`; returns its size. NoImage if it is damaged."""
        whole, size = hashlib.sha256(), 0
        with self._part(digest) as stream:
            while piece := stream.read(1 << 20):
                whole.update(piece)
                size += sink.write(piece)
        self._compare(whole.hexdigest(), digest)
        return size

    def _walk(
        self, index: Descriptor, within: tuple[str, ...], depth: int
    ) -> Iterator[tuple[Descriptor, tuple[str, ...]]]:
        """The manifest of each image with the digests of the indexes that contain it."""
        if not depth:
            raise NoImage("its indexes are nested too deeply")
        for descriptor in index.get("manifests") or ():
            if descriptor.get("mediaType") in _INDEXES:
                digest = str(descriptor["digest"])
                yield from self._walk(self._document(descriptor), (*within, digest), depth - 1)
            elif descriptor.get("mediaType") in _MANIFESTS:
                yield descriptor, within

    def _is_for(self, manifest: Descriptor, arch: Arch) -> bool:
        # For a single image, the platform is in its configuration.
        platform = manifest.get("platform") or self._document(self._document(manifest)["config"])
        return (platform.get("os"), platform.get("architecture")) == ("linux", arch.go)

    def _document(self, descriptor: Descriptor) -> Descriptor:
        digest = str(descriptor["digest"])
        with self._part(digest) as stream:
            content = stream.read(_BIGGEST_DOCUMENT)
        self._compare(hashlib.sha256(content).hexdigest(), digest)
        return self._parsed(content, digest)

    def _content(self, path: str) -> bytes:
        stream = self._open_part(path)
        if stream is None:
            raise NoImage(f"it has no {path}, so it is not an OCI image layout")
        with stream:
            return stream.read(_BIGGEST_DOCUMENT)

    def _part(self, digest: str) -> IO[bytes]:
        if not _DIGEST.fullmatch(digest):
            raise NoImage(f"its part {digest!r} is not named by a SHA-256")
        stream = self._open_part(f"blobs/sha256/{digest.removeprefix('sha256:')}")
        if stream is None:
            raise NoImage(f"its part {digest} is missing")
        return stream

    @staticmethod
    def _compare(found: str, digest: str) -> None:
        if f"sha256:{found}" != digest:
            raise NoImage(f"its part {digest} is damaged: its content has another digest")

    @staticmethod
    def _parsed(content: bytes, name: str) -> Descriptor:
        try:
            document = json.loads(content)
        except (ValueError, RecursionError) as trouble:
            raise NoImage(f"its part {name} is not JSON: {trouble}") from trouble
        if not isinstance(document, dict):
            raise NoImage(f"its part {name} is not a JSON object")
        return document


@contextlib.contextmanager
def open_layout(place: Path) -> Iterator[ImageLayout]:
    """The image layout in a tar or a folder.

    Raises:
        NoImage: also within the block, for any error in it.
    """
    try:
        if place.is_dir():
            yield ImageLayout(lambda path: _opened(place / path))
        else:
            with tarfile.open(place) as tar:
                members = {
                    member.name.removeprefix("./"): member for member in tar if member.isreg()
                }
                yield ImageLayout(
                    lambda path: tar.extractfile(members[path]) if path in members else None
                )
    except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as trouble:
        raise NoImage(f"it is not a readable tar archive: {trouble}") from trouble
    except (KeyError, TypeError, AttributeError) as trouble:
        raise NoImage(f"one of its documents lacks or misuses {trouble}") from trouble


def _opened(file: Path) -> IO[bytes] | None:
    return file.open("rb") if file.is_file() else None


def extract_image(place: Path, image: str, arch: Arch, target: Path) -> None:
    """Writes the image for `arch` that is, or is part of, `image` (sha256:…) to a tar archive.

    Equal images produce equal files, whatever the form of their source.

    Raises:
        NoImage: there is none, or it is damaged.
    """
    with open_layout(place) as layout, tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as tar:
        manifest = layout.manifest(arch, image)
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [manifest]}
        _put(tar, "index.json", json.dumps(index, sort_keys=True).encode())
        _put(tar, "oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
        for digest in layout.parts(manifest):
            draft = target.with_name("part")
            with draft.open("w+b") as sink:
                entry = tarfile.TarInfo(f"blobs/sha256/{digest.removeprefix('sha256:')}")
                entry.size = layout.copy(digest, sink)
                sink.seek(0)
                tar.addfile(entry, sink)
            draft.unlink()


def _put(tar: tarfile.TarFile, path: str, content: bytes) -> None:
    entry = tarfile.TarInfo(path)
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))
