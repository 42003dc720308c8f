"""The content of the registry and the data sets, as files of the server's payload.

Images are read-only like the payload. The content is derived from names and numbers: equal programs
make equal digests.
"""

from __future__ import annotations

import hashlib
import io
import json
import random
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from edge_lab.addons.cache.storage import Repository, put_blobs
from edge_lab.core.deadline import Deadline
from edge_lab.core.home import cache_home
from edge_lab.core.step import step
from edge_lab.images.layout import Descriptor, Layout, open_tar, put, put_file
from edge_lab.images.scratch import building, settle
from edge_lab.provisioning.provision import PayloadFile
from edge_lab.topology import Arch

MIB = 1024 * 1024
KIND = "registry"
FORMAT = 1
"""To be increased when the same programs make different content."""
TAG = "1"
STORAGE = "registry"
"""Folder of the payload with the registry's storage."""
DATA = "data"
"""Folder of the payload with the data sets."""
DONE = "done"
PROGRAM_PATH = "/edge"
ENTRYPOINT = (PROGRAM_PATH, "pause")
_MAKE_SECONDS = 300.0


@dataclass(frozen=True)
class LabImage:
    """An image of the registry: a program that waits, and a unique layer."""

    name: str
    """Name of its repository; there is one tag."""
    mib: int = 1
    """Size of its unique layer, which does not compress."""

    @property
    def bytes(self) -> int:
        """Of its own layer, in the registry and on wires: the content, and a tar around it."""
        return -(-(self.mib * MIB + 3 * 512) // tarfile.RECORDSIZE) * tarfile.RECORDSIZE

    @property
    def own_digest(self) -> str:
        """Of its own layer."""
        layer = io.BytesIO()
        _own(self)(layer)
        return f"sha256:{hashlib.sha256(layer.getvalue()).hexdigest()}"

    def reference(self, registry: str) -> str:
        """Its reference in pods, with one of the registry's names."""
        return f"{registry}/{self.name}:{TAG}"


SMALL: Final = tuple(
    LabImage(name)
    for name in (
        *("cached", "absent", "always", "shared", "healed"),
        *("poisoned", "truncated", "pinned", "unpinned"),
    )
)
LARGE: Final = tuple(LabImage(f"large-{number}", 20) for number in range(3))
IMAGES: Final[tuple[LabImage, ...]] = (*SMALL, *LARGE)
"""The images of the registry: one for each purpose, so that no test finds another's in a cache."""


@dataclass(frozen=True)
class DataSet:
    """A read-only file: a new version has a new name."""

    name: str
    mib: int = 2

    @property
    def path(self) -> str:
        """Path below the address of a cache."""
        return f"/{DATA}/{self.name}"

    def content(self) -> bytes:
        return random_bytes(f"data {self.name}", self.mib * MIB)

    @property
    def sha256(self) -> str:
        """Hex digest."""
        return hashlib.sha256(self.content()).hexdigest()


DATA_SETS: Final = tuple(DataSet(f"readings-{number}.bin") for number in range(10))


def random_bytes(seed: str, count: int) -> bytes:
    """Incompressible bytes, the same for the same seed."""
    return random.Random(seed).randbytes(count)


def registry_files(programs: Mapping[Arch, Path]) -> tuple[PayloadFile, ...]:
    """Images for the architectures of `programs`, and all data sets; made once for each set of
    programs."""
    return payload_files(_made(programs))


def payload_files(folder: Path) -> tuple[PayloadFile, ...]:
    """All files of a folder that was made for a payload."""
    return tuple(
        PayloadFile(file.relative_to(folder).as_posix(), file, _digest(file), executable=False)
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.name != DONE
    )


def _made(programs: Mapping[Arch, Path]) -> Path:
    whole = hashlib.sha256(f"{FORMAT} {IMAGES} {DATA_SETS}".encode())
    for arch, program in sorted(programs.items()):
        whole.update(f"\n{arch.value} {_digest(program)}".encode())

    def make(draft: Path, scratch: Path) -> None:
        write_registry(draft / STORAGE, IMAGES, programs, scratch / "blobs")
        write_data(draft / DATA, DATA_SETS)

    return made_once(KIND, whole.hexdigest(), "make the registry's content", make)


def made_once(kind: str, digest: str, title: str, make: Callable[[Path, Path], None]) -> Path:
    """The cached folder of that kind and digest; if there is none, `make` creates it.

    `make` gets the folder that it is to create, and one for its own files.
    """
    target = cache_home() / kind / digest
    if (target / DONE).exists():
        return target
    deadline = Deadline.scaled(_MAKE_SECONDS)
    with step(title) as this, building(kind, deadline, this) as scratch:
        if not (target / DONE).exists():
            draft = scratch / "content"
            make(draft, scratch)
            (draft / DONE).touch()
            for file in draft.rglob("*"):
                if file.is_file():
                    settle(file)
            target.parent.mkdir(parents=True, exist_ok=True)
            draft.rename(target)
    return target


def write_data(folder: Path, sets: Sequence[DataSet]) -> None:
    folder.mkdir(parents=True)
    for data in sets:
        (folder / data.name).write_bytes(data.content())


def write_registry(
    storage: Path, images: Sequence[LabImage], programs: Mapping[Arch, Path], scratch: Path
) -> dict[str, str]:
    """The registry's storage, in a new folder; returns the digest of each image's index by name.

    `scratch` is a folder that is made.
    """
    layout = Layout(scratch)
    shared = {
        arch: layout.add_layer(_program(program)) for arch, program in sorted(programs.items())
    }
    indexes: dict[str, str] = {}
    for image in images:
        own = layout.add_layer(_own(image))
        manifests: list[Descriptor] = []
        repository = Repository(storage, image.name)
        for arch in sorted(programs):
            layers = [shared[arch], own]
            manifest = layout.add_image(arch, layers, ENTRYPOINT)
            manifests.append(manifest)
            for layer in (*layers, _config_of(layout, manifest)):
                repository.add_part(str(layer["digest"]))
        index = layout.add_index(manifests)
        for revision in (index, *manifests):
            repository.add_manifest(str(revision["digest"]))
        repository.tag(TAG, str(index["digest"]))
        indexes[image.name] = str(index["digest"])
    put_blobs(storage, sorted(layout.folder.iterdir()))
    return indexes


def _config_of(layout: Layout, manifest: Descriptor) -> Descriptor:
    name = str(manifest["digest"]).removeprefix("sha256:")
    content = json.loads((layout.folder / name).read_text(encoding="utf-8"))
    config: Descriptor = content["config"]
    return config


def _program(program: Path) -> Callable[[BinaryIO], None]:
    def write(sink: BinaryIO) -> None:
        with open_tar(sink) as tar:
            put_file(tar, PROGRAM_PATH.removeprefix("/"), program, 0o755)

    return write


def _own(image: LabImage) -> Callable[[BinaryIO], None]:
    def write(sink: BinaryIO) -> None:
        with open_tar(sink) as tar:
            put(tar, "own.bin", random_bytes(f"image {image.name}", image.mib * MIB))

    return write


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
