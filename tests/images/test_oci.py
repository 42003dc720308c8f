"""Container images: an OCI image layout in a tar, the same each time."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from edge_lab.core.errors import InputError, LabError
from edge_lab.images import (
    EDGE_PROGRAM,
    PAUSE,
    SANDBOX_IMAGE,
    ImageArchive,
    ImageFile,
    ImageSpec,
    build_images,
)
from edge_lab.images.oci import load_image_recipe
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
    applets = load_image_recipe().applets
    file.write_bytes(b"\x7fELF" + arch.encode() + b"\0" + "\0".join(applets).encode() + b"\0")
    return file


WORKLOAD = "edge-lab.local/workload:0.1.0"
SPECS = (ImageSpec(WORKLOAD, EDGE_PROGRAM, ("/edge",)), SANDBOX_IMAGE)


def build(
    folder: Path, *archs: Arch, content: bytes = b"edge", specs: Sequence[ImageSpec] = SPECS
) -> ImageArchive:
    binaries = {}
    for arch in archs:
        binaries[arch] = folder / f"edge-{arch.value}"
        binaries[arch].write_bytes(content + arch.encode())
    return build_images(
        specs,
        {spec.component: binaries for spec in specs},
        busybox={arch: fake_busybox(folder, arch) for arch in archs},
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
    assert layout.index_of(WORKLOAD)["digest"] == image.digests[WORKLOAD]
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
    assert build(tmp_path, Arch.X86_64, content=b"other").digests != first.digests


def test_the_index_comes_first_in_the_archive(tmp_path: Path) -> None:
    assert Layout(build(tmp_path, Arch.X86_64).path).names[0] == "index.json"


def test_an_image_of_nothing_is_an_error() -> None:
    with pytest.raises(LabError, match="or no architecture"):
        build_images(SPECS, {})
    with pytest.raises(LabError, match="has no image"):
        build_images((), {EDGE_PROGRAM: {}})


def test_a_busybox_without_a_wanted_name_is_an_error(tmp_path: Path, own_cache: Path) -> None:
    binary = tmp_path / "edge"
    binary.write_bytes(b"x")
    with pytest.raises(LabError, match="has no"):
        build_images(SPECS, {EDGE_PROGRAM: {Arch.X86_64: binary}}, busybox={Arch.X86_64: binary})
    assert not list((own_cache / "edge-lab/tmp").glob("*.d"))


def test_a_mistake_in_the_workload_recipe_is_told_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "image.yaml"
    file.write_text("# a comment\napplets: [sh, true]\n")
    with pytest.raises(InputError, match="applets") as caught:
        load_image_recipe(file)
    assert caught.value.line == 2


def test_any_number_of_images_share_what_is_equal(tmp_path: Path) -> None:
    name = "example.org/dns:1"
    config = ImageFile("/etc/dns.conf", b"zone .", 0o600)
    dns = ImageSpec(name, "dns", ("/dns", "-v"), program="/dns", files=(config,))
    layout = Layout(build(tmp_path, Arch.RISCV64, specs=(*SPECS, dns)).path)
    layers: dict[str, list[dict[str, Any]]] = {}
    for reference in (WORKLOAD, PAUSE, name):
        index = json.loads(layout.blob(layout.index_of(reference)))
        layers[reference] = json.loads(layout.blob(index["manifests"][0]))["layers"]
    assert layers[WORKLOAD] == layers[PAUSE]
    shell, program, files = layers[name]
    assert shell == layers[PAUSE][0]
    assert open_tar(layout.blob(program)).getnames() == ["dns"]
    written = open_tar(layout.blob(files)).getmember("etc/dns.conf")
    assert (written.mode, written.size) == (0o600, len(config.content))


def test_two_images_of_one_name_or_without_a_program_are_an_error(tmp_path: Path) -> None:
    other = ImageSpec(WORKLOAD, EDGE_PROGRAM, ("/edge", "other"))
    with pytest.raises(LabError, match="share one reference"):
        build(tmp_path, Arch.X86_64, specs=(*SPECS, other))
    binary = fake_busybox(tmp_path, Arch.X86_64)
    with pytest.raises(LabError, match="no dns for x86_64"):
        build_images(
            [ImageSpec("example.org/dns:1", "dns", ("/dns",))],
            {EDGE_PROGRAM: {Arch.X86_64: binary}},
            busybox={Arch.X86_64: binary},
        )


@pytest.mark.parametrize("path", ["dns", "/../dns", "/a/../../b"])
def test_a_path_that_leaves_the_image_is_refused(path: str) -> None:
    with pytest.raises(LabError, match="not absolute"):
        ImageSpec("example.org/dns:1", "dns", ("/dns",), program=path)
    with pytest.raises(LabError, match="not absolute"):
        ImageSpec("example.org/dns:1", "dns", ("/dns",), files=(ImageFile(path, b""),))
