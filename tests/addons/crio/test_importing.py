"""The import of images into CRI-O's storage, by a real shell over folders of this machine: with a
skopeo that only notes its calls, and with the real one where it is installed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from edge_lab.addons.crio.importing import LAYOUT, import_script
from edge_lab.addons.crio.names import SKOPEO, STORAGE
from edge_lab.images import PAUSE, ImageArchive
from edge_lab.stacks.node import IMPORTED
from edge_lab.topology import Arch
from tests.images.test_oci import WORKLOAD, build

NOTING = """#!/bin/sh
[ "$1 $2" = "copy --quiet" ] || exit 2
layout=${3#oci:}
layout=${layout%%:*}
[ -s "$layout/index.json" ] || exit 3
[ ! -e "$FAILS" ] || exit 1
echo "$3 $4" >> "$CALLS"
"""
POLICY = '{"default": [{"type": "insecureAcceptAnything"}]}\n'


@dataclass(frozen=True)
class Host:
    """Folders in place of a node's."""

    root: Path
    skopeo: Path

    @property
    def calls(self) -> list[str]:
        """The references of images, in the order of their import."""
        file = self.root / "calls"
        lines = file.read_text().splitlines() if file.exists() else []
        for line in lines:
            source, target = line.split()
            assert source.removeprefix(f"oci:{self.root}{LAYOUT}:") == target.removeprefix(
                "containers-storage:"
            )
        return [line.split("containers-storage:")[1] for line in lines]

    @property
    def fails(self) -> Path:
        """While it exists, no image can be imported."""
        return self.root / "fails"

    @property
    def marks(self) -> list[str]:
        return sorted(file.name for file in Path(f"{self.root}{IMPORTED}").iterdir())

    def script(self) -> str:
        text = import_script().replace(" ".join(SKOPEO.command), str(self.skopeo))
        assert str(self.skopeo) in text
        for place in (IMPORTED, LAYOUT, STORAGE, "/opt/edge-lab/images"):
            assert place in text
            text = text.replace(place, f"{self.root}{place}")
        return text

    def run(self, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", "-c", self.script()],
            capture_output=True,
            text=True,
            check=False,
            env={
                "PATH": os.environ["PATH"],
                "CALLS": f"{self.root}/calls",
                "FAILS": str(self.fails),
                **environment,
            },
        )


def host_with(folder: Path, archive: Path, skopeo: Path) -> Host:
    for place in ("opt/edge-lab/images", STORAGE.removeprefix("/")):
        (folder / place).mkdir(parents=True)
    shutil.copy(archive, folder / "opt/edge-lab/images/edge-lab.tar")
    return Host(folder, skopeo)


@pytest.fixture
def images(tmp_path: Path) -> ImageArchive:
    (tmp_path / "programs").mkdir()
    return build(tmp_path / "programs", *Arch)


@pytest.fixture
def host(tmp_path: Path, images: ImageArchive) -> Host:
    skopeo = tmp_path / "noting-skopeo"
    skopeo.write_text(NOTING)
    skopeo.chmod(0o755)
    return host_with(tmp_path / "node", images.archives[Arch.X86_64], skopeo)


def test_each_image_is_imported_once_under_its_name(host: Host) -> None:
    done = host.run()
    assert done.returncode == 0, done.stderr
    assert sorted(host.calls) == sorted((PAUSE, WORKLOAD))
    assert len(host.marks) == 1
    assert host.run().returncode == 0
    assert len(host.calls) == 2, "a second boot imports nothing"
    assert not Path(f"{host.root}{LAYOUT}").exists()


def test_an_import_that_fails_is_made_again(host: Host) -> None:
    host.fails.touch()
    assert host.run().returncode != 0
    assert host.marks == []
    host.fails.unlink()
    assert host.run().returncode == 0
    assert sorted(host.calls) == sorted((PAUSE, WORKLOAD))


def test_images_that_are_gone_from_the_storage_are_not_imported_again(host: Host) -> None:
    """As with containerd: what a runtime loses on a node is lost there, and tests can see it."""
    host.run()
    shutil.rmtree(f"{host.root}{STORAGE}")
    assert host.run().returncode == 0
    assert len(host.calls) == 2


def test_an_archive_without_names_is_refused(host: Host) -> None:
    folder = host.root / "empty"
    folder.mkdir()
    (folder / "index.json").write_text('{"schemaVersion":2,"manifests":[]}')
    archive = host.root / "opt/edge-lab/images/edge-lab.tar"
    subprocess.run(["tar", "-cf", archive, "-C", folder, "index.json"], check=True)
    assert host.run().returncode != 0
    assert host.marks == []


# -- with skopeo itself --------------------------------------------------------------------

with_skopeo = pytest.mark.skipif(
    not shutil.which("skopeo"), reason="skopeo is not installed: apt-get install skopeo"
)


@pytest.mark.native(reason="runs skopeo")
@with_skopeo
@pytest.mark.skipif(os.geteuid() != 0, reason="writes files of root into a storage")
def test_skopeo_puts_the_images_into_a_storage(tmp_path: Path, images: ImageArchive) -> None:
    if os.uname().machine != Arch.X86_64:
        pytest.skip("the archive is for x86_64")
    skopeo = tmp_path / "skopeo"
    (tmp_path / "policy.json").write_text(POLICY)
    skopeo.write_text(f'#!/bin/sh\nexec skopeo --policy {tmp_path}/policy.json "$@"\n')
    skopeo.chmod(0o755)
    host = host_with(tmp_path / "node", images.archives[Arch.X86_64], skopeo)
    graph = f"{host.root}{STORAGE}"
    config = tmp_path / "storage.conf"
    # vfs, since tests may run where nothing can be mounted.
    config.write_text(
        f'[storage]\ndriver = "vfs"\ngraphroot = "{graph}"\nrunroot = "{tmp_path}/run"\n'
    )
    done = host.run(CONTAINERS_STORAGE_CONF=str(config))
    assert done.returncode == 0, done.stderr
    stored = json.loads(Path(f"{graph}/vfs-images/images.json").read_text())
    # The digest of the index, as in containerd: both runtimes have the same image.
    assert {name: image["digest"] for image in stored for name in image["names"]} == dict(
        images.digests
    )
