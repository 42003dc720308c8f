"""The archive of images, read by skopeo: one index for each image, for every architecture and
runtime."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from edge_lab.images import PAUSE, ImageArchive
from edge_lab.topology import Arch
from tests.images.test_oci import WORKLOAD, build

pytestmark = [
    pytest.mark.native(reason="runs skopeo"),
    pytest.mark.skipif(
        not shutil.which("skopeo"), reason="skopeo is not installed: apt-get install skopeo"
    ),
]


def skopeo(*words: str) -> bytes:
    """Its output; AssertionError with its message if it fails."""
    done = subprocess.run(["skopeo", *words], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


@pytest.fixture
def images(tmp_path: Path) -> ImageArchive:
    return build(tmp_path, *Arch)


@pytest.mark.parametrize("reference", [PAUSE, WORKLOAD])
def test_an_image_is_one_index_of_all_architectures(images: ImageArchive, reference: str) -> None:
    raw = skopeo("inspect", "--raw", f"oci-archive:{images.path}:{reference}")
    assert f"sha256:{hashlib.sha256(raw).hexdigest()}" == images.digests[reference]
    index = json.loads(raw)
    assert index["mediaType"] == "application/vnd.oci.image.index.v1+json"
    platforms = {each["platform"]["architecture"] for each in index["manifests"]}
    assert platforms == {arch.go for arch in Arch}


@pytest.mark.parametrize("arch", list(Arch))
def test_the_archive_of_a_node_has_the_same_index_and_its_own_image(
    images: ImageArchive, arch: Arch
) -> None:
    source = f"oci-archive:{images.archives[arch]}:{WORKLOAD}"
    raw = skopeo("inspect", "--raw", source)
    assert f"sha256:{hashlib.sha256(raw).hexdigest()}" == images.digests[WORKLOAD]
    chosen = ("--override-os", "linux", "--override-arch", arch.go)
    config = json.loads(skopeo(*chosen, "inspect", "--config", source))
    assert config["architecture"] == arch.go
    assert config["config"]["Entrypoint"] == ["/edge"]


def test_the_image_of_another_architecture_is_not_in_it(images: ImageArchive) -> None:
    source = f"oci-archive:{images.archives[Arch.AARCH64]}:{WORKLOAD}"
    with pytest.raises(AssertionError):
        skopeo("--override-arch", "riscv64", "--override-os", "linux", "inspect", source)


def test_an_archive_that_was_altered_is_refused(images: ImageArchive, tmp_path: Path) -> None:
    folder = tmp_path / "layout"
    folder.mkdir()
    subprocess.run(["tar", "-xf", images.path, "-C", folder], check=True)
    source = f"oci:{folder}:{WORKLOAD}"
    skopeo("copy", "--insecure-policy", "--all", source, f"dir:{tmp_path}/whole")
    index = json.loads(skopeo("inspect", "--raw", source))
    digest = index["manifests"][0]["digest"].removeprefix("sha256:")
    blob = folder / "blobs/sha256" / digest
    blob.chmod(0o644)
    blob.write_bytes(blob.read_bytes() + b" ")
    with pytest.raises(AssertionError, match=r"(?i)digest|match"):
        skopeo("copy", "--insecure-policy", "--all", source, f"dir:{tmp_path}/altered")
