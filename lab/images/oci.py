"""The container image of the lab's pods, as an OCI image layout in one tar.

One image index with a manifest for each architecture, under two names that differ in what
they start: the workload, and the sandbox ("pause") image.  Everything is written by
Python with fixed times and owners, so that equal binaries make an equal archive, on any host.
Formats: OCI image-spec 1.1 (image-layout.md, image-index.md, manifest.md, config.md).
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from pydantic import BaseModel, ConfigDict

from edge_lab.artifacts.diskroom import room_on_disk
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.core.home import cache_home
from edge_lab.core.step import step
from edge_lab.data import IMAGES
from edge_lab.images.recipe import read_model
from edge_lab.images.root import build_root_image
from edge_lab.images.scratch import building, settle
from edge_lab.topology import Arch

WORKLOAD = "edge-lab.local/workload:0.1.0"
PAUSE = "edge-lab.local/pause:0.1.0"
ENTRYPOINTS = {WORKLOAD: ("/edge",), PAUSE: ("/edge", "pause")}

KIND = "workload-image"
RECIPE = IMAGES / "workload" / "image.yaml"
CREATED = "1970-01-01T00:00:00Z"
PATH = "/usr/local/bin:/usr/bin:/bin"

_INDEX = "application/vnd.oci.image.index.v1+json"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar"

_DEFAULT_DEADLINE = 900.0
_FOLDERS = {"bin": 0o755, "dev": 0o755, "etc": 0o755, "proc": 0o755, "root": 0o700, "sys": 0o755}
_TEMPORARY = {"tmp": 0o1777, "var": 0o755, "var/tmp": 0o1777}
_FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n"
    "edge:x:1000:1000:edge:/tmp:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n",
    "etc/group": "root:x:0:\nedge:x:1000:\nnogroup:x:65534:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}

Descriptor = dict[str, Any]


class WorkloadRecipe(BaseModel):
    """images/workload/image.yaml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    applets: tuple[str, ...]
    """Names of busybox in /bin."""


@dataclass(frozen=True)
class OciImage:
    """The archive that `ctr images import` reads."""

    path: Path
    """A tar of an OCI image layout."""
    reference: str
    """The workload's name in the guest."""
    digest: str
    """sha256:… of the workload's image index."""
    pause: str = PAUSE
    """The name of the sandbox image, which is in the same archive."""
    sha256: str = ""
    """Hex digest of the archive itself."""
    archives: Mapping[Arch, Path] = field(default_factory=dict, compare=False)
    """What a node of each architecture imports: the same image without the others' parts."""


def build_workload_image(
    binaries: Mapping[Arch, Path],
    *,
    busybox: Mapping[Arch, Path] | None = None,
    deadline: Deadline | None = None,
) -> OciImage:
    """The archive for the architectures of `binaries`, which are their /edge.

    `busybox` defaults to those in the root images, which are built where they are missing.
    """
    if not binaries:
        raise LabError("a workload image of no architecture is no image")
    until = deadline or Deadline.scaled(_DEFAULT_DEADLINE)
    shells = busybox or {arch: build_root_image(arch, until).busybox for arch in binaries}
    applets = load_workload_recipe().applets
    with (
        step(f"make the workload image for {', '.join(sorted(binaries))}") as this,
        room_on_disk(cache_home(), sum(file.stat().st_size for file in binaries.values())),
        building(KIND, until, this) as scratch,
    ):
        layout = _Layout(scratch / "blobs")
        manifests: dict[str, list[Descriptor]] = {reference: [] for reference in ENTRYPOINTS}
        for arch in sorted(binaries):
            until.check("making the workload image")
            layers = [
                layout.add_layer(_shell_layer(shells[arch], applets)),
                layout.add_layer(_binary_layer(binaries[arch])),
            ]
            for reference, entrypoint in ENTRYPOINTS.items():
                manifests[reference].append(_add_manifest(layout, arch, layers, entrypoint))
        indexes = {
            reference: layout.add_json(
                _INDEX, {"schemaVersion": 2, "mediaType": _INDEX, "manifests": listed}
            )
            for reference, listed in manifests.items()
        }
        draft = scratch / "image.tar"
        layout.write(draft, indexes)
        digest = indexes[WORKLOAD]["digest"]
        with draft.open("rb") as stream:
            whole = hashlib.file_digest(stream, "sha256").hexdigest()
        target = cache_home() / "workload" / f"{whole}.tar"
        target.parent.mkdir(parents=True, exist_ok=True)
        draft.chmod(0o444)
        settle(draft)
        draft.rename(target)
        archives = {arch: _node_archive(target, whole, arch, scratch) for arch in binaries}
    return OciImage(path=target, reference=WORKLOAD, digest=digest, sha256=whole, archives=archives)


def _node_archive(whole: Path, name: str, arch: Arch, scratch: Path) -> Path:
    """The archive as a node of `arch` imports it: without what others would run.

    Names, index and digests stay as they are.  containerd reads of an index only what is
    for its own platform, and an emulated node takes a third of the time to import a third.
    """
    target = whole.with_name(f"{name}-{arch.go}.tar")
    if not target.exists():
        draft = scratch / "node.tar"
        with tarfile.open(whole) as image, draft.open("wb") as sink, _tar(sink) as tar:
            left_out = _blobs_of_others(image, arch)
            for entry in image:
                if entry.name.rpartition("/")[2] not in left_out:
                    tar.addfile(entry, image.extractfile(entry) if entry.isfile() else None)
        draft.chmod(0o444)
        settle(draft)
        draft.rename(target)
    return target


def _blobs_of_others(whole: tarfile.TarFile, arch: Arch) -> set[str]:
    """Names (hex digests) of the blobs that no image for `arch` is made of."""

    def document(name: str) -> dict[str, Any]:
        file = whole.extractfile(name)
        found: dict[str, Any] = json.load(file) if file else {}
        return found

    def blob(descriptor: Descriptor) -> str:
        return str(descriptor["digest"]).removeprefix("sha256:")

    ours: set[str] = set()
    theirs: set[str] = set()
    for index in document("index.json")["manifests"]:
        for manifest in document(f"blobs/sha256/{blob(index)}")["manifests"]:
            content = document(f"blobs/sha256/{blob(manifest)}")
            parts = {blob(each) for each in (manifest, content["config"], *content["layers"])}
            mine = manifest["platform"]["architecture"] == arch.go
            (ours if mine else theirs).update(parts)
    if not ours:
        raise LabError(f"the workload image has nothing for {arch.value}")
    return theirs - ours


def load_workload_recipe(file: Path = RECIPE) -> WorkloadRecipe:
    """The recipe in `file`; InputError if it is none."""
    return read_model(file, WorkloadRecipe)[0]


def _add_manifest(
    layout: _Layout, arch: Arch, layers: Sequence[Descriptor], entrypoint: Sequence[str]
) -> Descriptor:
    platform = {"architecture": arch.go, "os": "linux"}
    config = layout.add_json(
        _CONFIG,
        {
            **platform,
            "created": CREATED,
            "config": {"Entrypoint": list(entrypoint), "Env": [f"PATH={PATH}"], "WorkingDir": "/"},
            # Not compressed, so a layer's digest is also that of its content.
            "rootfs": {"type": "layers", "diff_ids": [layer["digest"] for layer in layers]},
            "history": [{"created": CREATED, "created_by": "edge-lab"} for _ in layers],
        },
    )
    manifest = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": config,
        "layers": list(layers),
    }
    return {**layout.add_json(_MANIFEST, manifest), "platform": platform}


class _Layout:
    """An OCI image layout under way: its blobs are in a folder, named by their digests."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir()

    def add_json(self, media_type: str, content: Mapping[str, Any]) -> Descriptor:
        """Adds a document; equal content makes equal bytes."""
        return self._add(media_type, lambda sink: sink.write(_json(content)))

    def add_layer(self, write: Callable[[BinaryIO], object]) -> Descriptor:
        """Adds the layer that `write` writes."""
        return self._add(_LAYER, write)

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

    def write(self, target: Path, named: Mapping[str, Descriptor]) -> None:
        """Writes the archive, in which `named` are what can be asked for by name."""
        index = {
            "schemaVersion": 2,
            "mediaType": _INDEX,
            "manifests": [
                {
                    **descriptor,
                    "annotations": {
                        # containerd takes the whole name from the first, others the second.
                        "io.containerd.image.name": reference,
                        "org.opencontainers.image.ref.name": reference,
                    },
                }
                for reference, descriptor in sorted(named.items())
            ],
        }
        with target.open("wb") as sink, _tar(sink) as tar:
            # What is asked for first is first: an import reads index.json before anything else.
            _put(tar, "index.json", _json(index))
            _put(tar, "oci-layout", _json({"imageLayoutVersion": "1.0.0"}))
            for folder in ("blobs", "blobs/sha256"):
                _put_folder(tar, folder, 0o755)
            for blob in sorted(self._folder.iterdir()):
                _put_file(tar, f"blobs/sha256/{blob.name}", blob, 0o644)


def _shell_layer(busybox: Path, applets: Sequence[str]) -> Callable[[BinaryIO], None]:
    """busybox with its names, the accounts, and folders that a container mounts over."""
    content = busybox.read_bytes()
    lacking = [name for name in applets if f"\0{name}\0".encode() not in content]
    if lacking:
        raise LabError(f"{busybox} has no {', '.join(lacking)}")

    def write(sink: BinaryIO) -> None:
        with _tar(sink) as tar:
            for path, mode in sorted({**_FOLDERS, **_TEMPORARY}.items()):
                _put_folder(tar, path, mode)
            _put(tar, "bin/busybox", content, 0o755)
            for name in sorted(applets):
                entry = _entry(f"bin/{name}", 0o777)
                entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
                tar.addfile(entry)
            for path, text in sorted(_FILES.items()):
                _put(tar, path, text.encode())

    return write


def _binary_layer(binary: Path) -> Callable[[BinaryIO], None]:
    def write(sink: BinaryIO) -> None:
        with _tar(sink) as tar:
            _put_file(tar, "edge", binary, 0o755)

    return write


def _tar(sink: BinaryIO) -> tarfile.TarFile:
    return tarfile.open(fileobj=sink, mode="w", format=tarfile.USTAR_FORMAT)


def _entry(path: str, mode: int) -> tarfile.TarInfo:
    """Owned by root, of the time 0."""
    entry = tarfile.TarInfo(path)
    entry.mode = mode
    return entry


def _put(tar: tarfile.TarFile, path: str, content: bytes, mode: int = 0o644) -> None:
    entry = _entry(path, mode)
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))


def _put_file(tar: tarfile.TarFile, path: str, source: Path, mode: int) -> None:
    with source.open("rb") as stream:
        entry = _entry(path, mode)
        status = os.fstat(stream.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise LabError(f"{source} is no regular file")
        entry.size = status.st_size
        tar.addfile(entry, stream)


def _put_folder(tar: tarfile.TarFile, path: str, mode: int) -> None:
    entry = _entry(path, mode)
    entry.type = tarfile.DIRTYPE
    tar.addfile(entry)


def _json(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
