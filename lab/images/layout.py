"""An OCI image layout in one tar, written with fixed times and owners.

Formats: OCI image-spec 1.1 (image-layout.md, image-index.md, manifest.md, config.md).
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import stat
import tarfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, BinaryIO

from edge_lab.artifacts.imagelayout import INDEX, MANIFEST
from edge_lab.core.errors import LabError
from edge_lab.topology import Arch

CREATED = "1970-01-01T00:00:00Z"
PATH = "/usr/local/bin:/usr/bin:/bin"

CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"

Descriptor = dict[str, Any]


class Layout:
    """An OCI image layout that is being built: its blobs are in a folder, named by digest."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir()

    @property
    def folder(self) -> Path:
        return self._folder

    def add_json(self, media_type: str, content: Mapping[str, Any]) -> Descriptor:
        """Adds a document; equal content gives equal bytes."""
        return self._add(media_type, lambda sink: sink.write(_json(content)))

    def add_layer(self, write: Callable[[BinaryIO], object]) -> Descriptor:
        """Adds the layer that `write` writes."""
        return self._add(LAYER, write)

    def add_blob(self, source: IO[bytes]) -> str:
        """Adds an existing part; returns its digest (sha256:…)."""
        return str(self._add("", lambda sink: shutil.copyfileobj(source, sink))["digest"])

    def _add(self, media_type: str, write: Callable[[BinaryIO], object]) -> Descriptor:
        draft = self._folder / "draft"
        with draft.open("w+b") as sink:
            write(sink)
            sink.flush()
            sink.seek(0)
            name = hashlib.file_digest(sink, "sha256").hexdigest()
            size = os.fstat(sink.fileno()).st_size
        draft.rename(self._folder / name)
        return {"mediaType": media_type, "digest": f"sha256:{name}", "size": size}

    def add_image(
        self, arch: Arch, layers: Sequence[Descriptor], entrypoint: Sequence[str]
    ) -> Descriptor:
        """Adds the manifest and the configuration of an image for `arch`."""
        platform = {"architecture": arch.go, "os": "linux"}
        config = self.add_json(
            CONFIG,
            {
                **platform,
                "created": CREATED,
                "config": {
                    "Entrypoint": list(entrypoint),
                    "Env": [f"PATH={PATH}"],
                    "WorkingDir": "/",
                },
                # Not compressed, so that a layer's digest is also that of its content.
                "rootfs": {"type": "layers", "diff_ids": [layer["digest"] for layer in layers]},
                "history": [{"created": CREATED, "created_by": "edge-lab"} for _ in layers],
            },
        )
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": config,
            "layers": list(layers),
        }
        return {**self.add_json(MANIFEST, manifest), "platform": platform}

    def add_index(self, manifests: Sequence[Descriptor]) -> Descriptor:
        """Adds the index of one image for several architectures."""
        return self.add_json(
            INDEX, {"schemaVersion": 2, "mediaType": INDEX, "manifests": list(manifests)}
        )

    def write(self, target: Path, named: Mapping[str, Descriptor]) -> None:
        """Writes the archive, in which `named` are available by name."""
        index = {
            "schemaVersion": 2,
            "mediaType": INDEX,
            "manifests": [
                {
                    **descriptor,
                    "annotations": {
                        # containerd reads the full name from the first one, others the second.
                        "io.containerd.image.name": reference,
                        "org.opencontainers.image.ref.name": reference,
                    },
                }
                for reference, descriptor in sorted(named.items())
            ],
        }
        with target.open("wb") as sink, open_tar(sink) as tar:
            # In the order of reading: an import reads index.json first.
            put(tar, "index.json", _json(index))
            put(tar, "oci-layout", _json({"imageLayoutVersion": "1.0.0"}))
            for folder in ("blobs", "blobs/sha256"):
                put_folder(tar, folder, 0o755)
            for blob in sorted(self._folder.iterdir()):
                put_file(tar, f"blobs/sha256/{blob.name}", blob, 0o644)


def open_tar(sink: BinaryIO) -> tarfile.TarFile:
    return tarfile.open(fileobj=sink, mode="w", format=tarfile.USTAR_FORMAT)


def _entry(path: str, mode: int) -> tarfile.TarInfo:
    """Owned by root, with the time 0."""
    entry = tarfile.TarInfo(path)
    entry.mode = mode
    return entry


def put(tar: tarfile.TarFile, path: str, content: bytes, mode: int = 0o644) -> None:
    entry = _entry(path, mode)
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))


def put_file(tar: tarfile.TarFile, path: str, source: Path, mode: int) -> None:
    with source.open("rb") as stream:
        entry = _entry(path, mode)
        status = os.fstat(stream.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise LabError(f"{source} is not a regular file")
        entry.size = status.st_size
        tar.addfile(entry, stream)


def put_link(tar: tarfile.TarFile, path: str, target: str) -> None:
    """A symbolic link."""
    entry = _entry(path, 0o777)
    entry.type, entry.linkname = tarfile.SYMTYPE, target
    tar.addfile(entry)


def put_folder(tar: tarfile.TarFile, path: str, mode: int) -> None:
    entry = _entry(path, mode)
    entry.type = tarfile.DIRTYPE
    tar.addfile(entry)


def _json(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
