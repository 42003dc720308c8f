"""The workload image: an OCI image layout in a tar, the same each time."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from edge_lab.core.errors import InputError, LabError
from edge_lab.images import PAUSE, WORKLOAD, OciImage, build_workload_image
from edge_lab.images.oci import load_workload_recipe
from edge_lab.topology import Arch

DESCRIPTOR = {
    "type": "object",
    "required": ["mediaType", "digest", "size"],
    "properties": {
        "mediaType": {"type": "string", "pattern": r"^application/vnd\.oci\.image\."},
        "digest": {"type": "string", "pattern": "^sha256:[a-f0-9]{64}$"},
        "size": {"type": "integer", "minimum": 1},
        "platform": {
            "type": "object",
            "required": ["architecture", "os"],
            "properties": {"architecture": {"enum": ["amd64", "arm64", "riscv64"]}},
        },
        "annotations": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}
"""What the image specification asks of a descriptor (descriptor.md)."""

INDEX = {
    "type": "object",
    "required": ["schemaVersion", "mediaType", "manifests"],
    "properties": {
        "schemaVersion": {"const": 2},
        "mediaType": {"const": "application/vnd.oci.image.index.v1+json"},
        "manifests": {"type": "array", "minItems": 1, "items": DESCRIPTOR},
    },
}
MANIFEST = {
    "type": "object",
    "required": ["schemaVersion", "mediaType", "config", "layers"],
    "properties": {
        "schemaVersion": {"const": 2},
        "config": DESCRIPTOR,
        "layers": {"type": "array", "minItems": 1, "items": DESCRIPTOR},
    },
}
CONFIG = {
    "type": "object",
    "required": ["architecture", "os", "rootfs"],
    "properties": {
        "os": {"const": "linux"},
        "rootfs": {
            "type": "object",
            "required": ["type", "diff_ids"],
            "properties": {"type": {"const": "layers"}},
        },
    },
}


def fake_busybox(folder: Path, arch: Arch) -> Path:
    file = folder / f"busybox-{arch.value}"
    applets = load_workload_recipe().applets
    file.write_bytes(b"\x7fELF" + arch.encode() + b"\0" + "\0".join(applets).encode() + b"\0")
    return file


def build(folder: Path, *archs: Arch, content: bytes = b"edge") -> OciImage:
    binaries = {}
    for arch in archs:
        binaries[arch] = folder / f"edge-{arch.value}"
        binaries[arch].write_bytes(content + arch.encode())
    return build_workload_image(
        binaries, busybox={arch: fake_busybox(folder, arch) for arch in archs}
    )


def open_tar(content: bytes) -> tarfile.TarFile:
    return tarfile.open(fileobj=io.BytesIO(content))


class Layout:
    """An archive, read back."""

    def __init__(self, path: Path) -> None:
        with tarfile.open(path) as tar:
            self.names = tar.getnames()
            self.files = {
                member.name: content.read()
                for member in tar.getmembers()
                if (content := tar.extractfile(member))
            }

    def json(self, path: str) -> Any:
        return json.loads(self.files[path])

    def blob(self, descriptor: dict[str, Any]) -> bytes:
        name = descriptor["digest"].removeprefix("sha256:")
        content = self.files[f"blobs/sha256/{name}"]
        assert hashlib.sha256(content).hexdigest() == name
        assert len(content) == descriptor["size"]
        return content

    def index_of(self, reference: str) -> dict[str, Any]:
        for descriptor in self.json("index.json")["manifests"]:
            if descriptor["annotations"]["io.containerd.image.name"] == reference:
                return dict(descriptor)
        raise AssertionError(f"{reference} is not in the archive")


def test_the_archive_is_an_image_layout_of_two_names_and_three_platforms(tmp_path: Path) -> None:
    image = build(tmp_path, *Arch)
    layout = Layout(image.path)
    assert layout.json("oci-layout") == {"imageLayoutVersion": "1.0.0"}
    jsonschema.validate(layout.json("index.json"), INDEX)
    assert layout.index_of(WORKLOAD)["digest"] == image.digest
    for reference, entrypoint in ((WORKLOAD, ["/edge"]), (PAUSE, ["/edge", "pause"])):
        index = json.loads(layout.blob(layout.index_of(reference)))
        jsonschema.validate(index, INDEX)
        platforms = {each["platform"]["architecture"] for each in index["manifests"]}
        assert platforms == {"amd64", "arm64", "riscv64"}
        for descriptor in index["manifests"]:
            manifest = json.loads(layout.blob(descriptor))
            jsonschema.validate(manifest, MANIFEST)
            config = json.loads(layout.blob(manifest["config"]))
            jsonschema.validate(config, CONFIG)
            assert config["architecture"] == descriptor["platform"]["architecture"]
            assert config["config"]["Entrypoint"] == entrypoint
            layers = [layout.blob(layer) for layer in manifest["layers"]]
            assert config["rootfs"]["diff_ids"] == [
                f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in layers
            ]


def test_a_layer_holds_the_binary_of_its_own_architecture(tmp_path: Path) -> None:
    layout = Layout(build(tmp_path, Arch.AARCH64, Arch.RISCV64).path)
    index = json.loads(layout.blob(layout.index_of(WORKLOAD)))
    for descriptor in index["manifests"]:
        manifest = json.loads(layout.blob(descriptor))
        shell, binary = (open_tar(layout.blob(layer)) for layer in manifest["layers"])
        edge = binary.extractfile("edge")
        assert edge is not None
        arch = next(each for each in Arch if each.go == descriptor["platform"]["architecture"])
        assert edge.read() == b"edge" + arch.encode()
        assert binary.getmember("edge").mode == 0o755
        assert shell.getmember("bin/sh").linkname == "busybox"
        assert shell.getmember("tmp").mode == 0o1777
        assert {member.uid for member in shell.getmembers()} == {0}
        assert {member.mtime for member in shell.getmembers()} == {0}


def test_a_node_imports_the_same_image_without_what_others_run(tmp_path: Path) -> None:
    image = build(tmp_path, *Arch)
    whole = Layout(image.path)
    part = Layout(image.archives[Arch.AARCH64])
    assert part.files["index.json"] == whole.files["index.json"]
    for reference in (WORKLOAD, PAUSE):
        for descriptor in json.loads(part.blob(part.index_of(reference)))["manifests"]:
            name = f"blobs/sha256/{descriptor['digest'].removeprefix('sha256:')}"
            if descriptor["platform"]["architecture"] != "arm64":
                assert name not in part.files
                continue
            manifest = json.loads(part.blob(descriptor))
            for each in (manifest["config"], *manifest["layers"]):
                part.blob(each)


def test_equal_binaries_make_an_equal_archive(tmp_path: Path) -> None:
    first = build(tmp_path, *Arch)
    content = first.path.read_bytes()
    first.path.unlink()
    assert build(tmp_path, *reversed(Arch)) == first
    assert first.path.read_bytes() == content
    assert hashlib.sha256(content).hexdigest() == first.sha256


def test_another_binary_makes_another_image(tmp_path: Path) -> None:
    first = build(tmp_path, Arch.X86_64)
    assert build(tmp_path, Arch.X86_64, content=b"other").digest != first.digest


def test_the_index_comes_first_in_the_archive(tmp_path: Path) -> None:
    assert Layout(build(tmp_path, Arch.X86_64).path).names[0] == "index.json"


def test_an_image_of_nothing_is_an_error() -> None:
    with pytest.raises(LabError, match="no architecture"):
        build_workload_image({})


def test_a_busybox_without_a_wanted_name_is_an_error(tmp_path: Path, own_cache: Path) -> None:
    binary = tmp_path / "edge"
    binary.write_bytes(b"x")
    with pytest.raises(LabError, match="has no"):
        build_workload_image({Arch.X86_64: binary}, busybox={Arch.X86_64: binary})
    assert not list((own_cache / "edge-lab/tmp").glob("*.d"))


def test_a_mistake_in_the_workload_recipe_is_told_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "image.yaml"
    file.write_text("# a comment\napplets: [sh, true]\n")
    with pytest.raises(InputError, match="applets") as caught:
        load_workload_recipe(file)
    assert caught.value.line == 2
