"""The container images of a lab's nodes, as one OCI image layout in a tar for each architecture.

An image is an index with a manifest for each architecture, which consists of a Go program, a shell
and a few files; no registry is involved. Python writes everything with fixed times and owners, so
that equal programs give equal archives on any host.
"""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from pydantic import BaseModel, ConfigDict

from edge_lab.artifacts.diskspace import disk_full_as_error
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.core.home import cache_home
from edge_lab.core.step import step
from edge_lab.data import IMAGES
from edge_lab.images.archive import copy_image
from edge_lab.images.layout import Descriptor, Layout, open_tar, put, put_file, put_folder, put_link
from edge_lab.images.recipe import read_model
from edge_lab.images.root import build_root_image
from edge_lab.images.scratch import building, settle
from edge_lab.topology import Arch

KIND = "container-images"
RECIPE = IMAGES / "workload" / "image.yaml"

_DEFAULT_DEADLINE = 900.0
_FOLDERS = {"bin": 0o755, "dev": 0o755, "etc": 0o755, "proc": 0o755, "root": 0o700, "sys": 0o755}
_TEMPORARY = {"tmp": 0o1777, "var": 0o755, "var/tmp": 0o1777}
_FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n"
    "edge:x:1000:1000:edge:/tmp:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n",
    "etc/group": "root:x:0:\nedge:x:1000:\nnogroup:x:65534:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}


class ImageRecipe(BaseModel):
    """images/workload/image.yaml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    applets: tuple[str, ...]
    """Names of busybox in /bin."""


@dataclass(frozen=True)
class ImageFile:
    """One file of an image, owned by root."""

    path: str
    """Absolute."""
    content: bytes
    mode: int = 0o644


@dataclass(frozen=True)
class ImageSpec:
    """A container image that a part of the lab requests."""

    reference: str
    """Its name on the nodes; pods use it with `imagePullPolicy: Never`."""
    component: str
    """The component whose artifact is its program."""
    entrypoint: tuple[str, ...]
    program: str = "/edge"
    """Path of the program in the image."""
    files: tuple[ImageFile, ...] = ()

    def __post_init__(self) -> None:
        paths = (self.program, *(file.path for file in self.files))
        if any(not path.startswith("/") or ".." in path.split("/") for path in paths):
            raise LabError(f"a path in the image {self.reference} is not absolute and plain")


@dataclass(frozen=True)
class ReadyImage:
    """An existing container image, from an archive."""

    reference: str
    """Its name on the nodes; pods use it with `imagePullPolicy: Never`."""
    component: str
    """The component with the image: `Component.image`."""


AnyImage = ImageSpec | ReadyImage


EDGE_PROGRAM = "edge-workload"
"""The lab's program, as a component: sampler, collector, sandbox, probes."""

PAUSE = "edge-lab.local/pause:0.1.0"
SANDBOX_IMAGE = ImageSpec(PAUSE, EDGE_PROGRAM, ("/edge", "pause"))
"""The image of the pause container; containerd's configuration names it."""


@dataclass(frozen=True)
class ImageArchive:
    """An archive for `ctr images import`."""

    path: Path
    """A tar of an OCI image layout, with all architectures."""
    digests: Mapping[str, str] = field(default_factory=dict, compare=False)
    """By reference, sha256:… of the image's index."""
    sha256: str = ""
    """Hex digest of the archive itself."""
    archives: Mapping[Arch, Path] = field(default_factory=dict, compare=False)
    """The archive for nodes of each architecture: without the parts for other ones."""


def build_images(
    specs: Sequence[AnyImage],
    programs: Mapping[str, Mapping[Arch, Path]],
    *,
    busybox: Mapping[Arch, Path] | None = None,
    deadline: Deadline | None = None,
) -> ImageArchive:
    """The archive of `specs`, for the architectures of `programs`, by component: programs, and
    archives of images.

    `busybox` defaults to those in the root images, which are built if missing.

    Raises:
        LabError: an image, an architecture, or the program of an image is missing.
        InputError: the archive of an image cannot be used.
    """
    architectures = sorted({arch for binaries in programs.values() for arch in binaries})
    if not specs or not architectures:
        raise LabError("the archive has no image or no architecture")
    until = deadline or Deadline.scaled(_DEFAULT_DEADLINE)
    shells = busybox or {arch: build_root_image(arch, until).busybox for arch in architectures}
    applets = load_image_recipe().applets
    sizes = sum(file.stat().st_size for files in programs.values() for file in files.values())
    with (
        step(f"make the container images for {', '.join(architectures)}") as this,
        disk_full_as_error(cache_home(), sizes),
        building(KIND, until, this) as scratch,
    ):
        layout = Layout(scratch / "blobs")
        manifests: dict[str, list[Descriptor]] = {spec.reference: [] for spec in specs}
        if len(manifests) != len(specs):
            raise LabError("two container images share one reference")
        for arch in architectures:
            until.check("making the container images")
            shell = layout.add_layer(_shell_layer(shells[arch], applets))
            for spec in specs:
                file = _file_of(spec, arch, programs)
                if isinstance(spec, ReadyImage):
                    manifest = copy_image(file, arch, layout)
                else:
                    layers = [shell, *_own_layers(layout, spec, file)]
                    manifest = layout.add_image(arch, layers, spec.entrypoint)
                manifests[spec.reference].append(manifest)
        indexes = {reference: layout.add_index(parts) for reference, parts in manifests.items()}
        draft = scratch / "image.tar"
        layout.write(draft, indexes)
        with draft.open("rb") as stream:
            whole = hashlib.file_digest(stream, "sha256").hexdigest()
        target = cache_home() / "workload" / f"{whole}.tar"
        target.parent.mkdir(parents=True, exist_ok=True)
        draft.chmod(0o444)
        settle(draft)
        draft.rename(target)
        archives = {arch: _node_archive(target, whole, arch, scratch) for arch in architectures}
    digests = {reference: index["digest"] for reference, index in indexes.items()}
    return ImageArchive(target, digests, whole, archives)


def _file_of(spec: AnyImage, arch: Arch, programs: Mapping[str, Mapping[Arch, Path]]) -> Path:
    try:
        return programs[spec.component][arch]
    except KeyError as trouble:
        raise LabError(
            f"no {spec.component} for {arch.value}, which the image {spec.reference} needs"
        ) from trouble


def _own_layers(layout: Layout, spec: ImageSpec, program: Path) -> list[Descriptor]:
    layers = [layout.add_layer(_program_layer(program, spec.program))]
    if spec.files:
        layers.append(layout.add_layer(_files_layer(spec.files)))
    return layers


def _node_archive(whole: Path, name: str, arch: Arch, scratch: Path) -> Path:
    """The archive for nodes of `arch`: without the parts for other architectures.

    Names, index and digests do not change.  containerd reads only the part of an index for its own
    platform, and an emulated node imports a third of the data in a third of the time.
    """
    target = whole.with_name(f"{name}-{arch.go}.tar")
    if not target.exists():
        draft = scratch / "node.tar"
        with tarfile.open(whole) as image, draft.open("wb") as sink, open_tar(sink) as tar:
            left_out = _blobs_of_others(image, arch)
            for entry in image:
                if entry.name.rpartition("/")[2] not in left_out:
                    tar.addfile(entry, image.extractfile(entry) if entry.isfile() else None)
        draft.chmod(0o444)
        settle(draft)
        draft.rename(target)
    return target


def _blobs_of_others(whole: tarfile.TarFile, arch: Arch) -> set[str]:
    """Names (hex digests) of the blobs that images for `arch` do not need."""

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
            parts = {
                blob(descriptor) for descriptor in (manifest, content["config"], *content["layers"])
            }
            mine = manifest["platform"]["architecture"] == arch.go
            (ours if mine else theirs).update(parts)
    if not ours:
        raise LabError(f"there is no container image for {arch.value}")
    return theirs - ours


def load_image_recipe(file: Path = RECIPE) -> ImageRecipe:
    """The recipe in `file`; InputError if it is invalid."""
    return read_model(file, ImageRecipe)[0]


def _shell_layer(busybox: Path, applets: Sequence[str]) -> Callable[[BinaryIO], None]:
    """busybox with its links, the accounts, and folders that serve as mount points."""
    content = busybox.read_bytes()
    lacking = [name for name in applets if f"\0{name}\0".encode() not in content]
    if lacking:
        raise LabError(f"{busybox} has no {', '.join(lacking)}")

    def write(sink: BinaryIO) -> None:
        with open_tar(sink) as tar:
            for path, mode in sorted({**_FOLDERS, **_TEMPORARY}.items()):
                put_folder(tar, path, mode)
            put(tar, "bin/busybox", content, 0o755)
            for name in sorted(applets):
                put_link(tar, f"bin/{name}", "busybox")
            for path, text in sorted(_FILES.items()):
                put(tar, path, text.encode())

    return write


def _program_layer(program: Path, path: str) -> Callable[[BinaryIO], None]:
    def write(sink: BinaryIO) -> None:
        with open_tar(sink) as tar:
            put_file(tar, path.removeprefix("/"), program, 0o755)

    return write


def _files_layer(files: Sequence[ImageFile]) -> Callable[[BinaryIO], None]:
    def write(sink: BinaryIO) -> None:
        with open_tar(sink) as tar:
            for file in sorted(files, key=lambda file: file.path):
                put(tar, file.path.removeprefix("/"), file.content, file.mode)

    return write
