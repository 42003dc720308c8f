"""Container images that are taken as they are: the same in every form, and refused if damaged."""

from __future__ import annotations

import json
import shutil
import tarfile
from pathlib import Path

import pytest

from edge_lab.artifacts import Artifact, ArtifactStore, CannotObtain, Want
from edge_lab.artifacts.imagelayout import INDEX, open_layout
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import InputError
from edge_lab.images.archive import copy_image
from edge_lab.images.layout import Layout
from edge_lab.topology import Arch
from tests.plugins.site import METER, METER_FILE, Site, meter_archive, repacked


def resolved() -> Artifact:
    return ArtifactStore.default().resolve([METER], Deadline.after(60))[METER]


def repack(file: Path, changes: dict[str, bytes | None]) -> None:
    file.write_bytes(repacked(file.read_bytes(), changes))


def test_an_image_is_the_same_in_every_form(pinned: Site, mirror: Path, own_cache: Path) -> None:
    file = mirror / METER_FILE
    first = resolved()
    repack(file, {})  # another tar of the same image
    shutil.rmtree(own_cache / "edge-lab/artifacts")
    assert resolved().sha256 == first.sha256
    with tarfile.open(file) as tar:
        tar.extractall(mirror / "acme/acme-meter", filter="data")
    file.unlink()
    shutil.rmtree(own_cache / "edge-lab/artifacts")
    assert resolved().sha256 == first.sha256
    assert resolved().source.endswith("acme/acme-meter")


def test_a_pin_may_be_of_one_manifest(pinned: Site, mirror: Path) -> None:
    before = resolved().sha256
    with open_layout(mirror / METER_FILE) as layout:
        digest = layout.manifest(Arch.AARCH64)["digest"].removeprefix("sha256:")
    pinned.pin("acme-meter", {Arch.AARCH64: digest})
    assert resolved().sha256 == before
    pinned.pin("acme-meter", {Arch.AARCH64: digest, Arch.X86_64: digest})
    with pytest.raises(CannotObtain):  # that manifest is not of x86_64
        ArtifactStore.default().resolve([Want("acme-meter", Arch.X86_64)], Deadline.after(60))


def part_of(file: Path, what: str) -> str:
    """The path of a part of the image for aarch64: its manifest, or its first layer."""
    with open_layout(file) as layout:
        parts = layout.parts(layout.manifest(Arch.AARCH64))
    digest = parts[-1] if what == "manifest" else parts[1]
    return f"blobs/sha256/{digest.removeprefix('sha256:')}"


@pytest.mark.parametrize("what", ["manifest", "layer"])
@pytest.mark.parametrize("content", [b"{}", None], ids=["changed", "missing"])
def test_a_damaged_image_is_refused(
    pinned: Site, mirror: Path, what: str, content: bytes | None
) -> None:
    file = mirror / METER_FILE
    part = part_of(file, what)
    repack(file, {part: content})
    with pytest.raises(CannotObtain) as caught:
        resolved()
    (refusal,) = [each for each in caught.value.failures[METER] if METER_FILE in each.reason]
    assert part.rpartition("/")[2] in refusal.reason


def index_of(*manifests: object) -> bytes:
    return json.dumps({"schemaVersion": 2, "manifests": manifests}).encode()


@pytest.mark.parametrize(
    "index",
    [
        None,
        b"[]",
        b"{",
        index_of(),
        index_of({"mediaType": INDEX}),
        index_of("text"),
        index_of({"mediaType": INDEX, "digest": "sha256:../../up"}),
        index_of({"mediaType": INDEX, "digest": f"sha256:{'0' * 64}"}),
    ],
)
def test_what_is_no_image_layout_is_refused(
    pinned: Site, mirror: Path, index: bytes | None
) -> None:
    repack(mirror / METER_FILE, {"index.json": index})
    with pytest.raises(CannotObtain):
        resolved()


def test_an_image_for_other_architectures_is_refused(pinned: Site, mirror: Path) -> None:
    digest = meter_archive(mirror / METER_FILE, [Arch.X86_64])
    pinned.pin("acme-meter", dict.fromkeys(Arch, digest))
    with pytest.raises(CannotObtain, match="linux/arm64"):
        resolved()


def test_an_add_on_cannot_take_another_component_for_an_image(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(b"no image")
    with pytest.raises(InputError, match="image=True") as caught:
        copy_image(program, Arch.X86_64, Layout(tmp_path / "blobs"))
    assert caught.value.file == str(program)
