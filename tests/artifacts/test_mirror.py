from __future__ import annotations

import errno
import hashlib
import json
import shutil
from pathlib import Path

import pytest

from edge_lab.artifacts import CATALOG as REAL_CATALOG
from edge_lab.artifacts import ArtifactStore, Availability, CannotObtain, Want
from edge_lab.artifacts.mirror import find_in_mirror
from edge_lab.artifacts.offers import Found
from edge_lab.artifacts.places import Folder
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.topology import Arch
from tests.artifacts.conftest import CATALOG, FakeGo

ONE = Want("one", Arch.RISCV64)
NAME = "one-v1.0.0-linux-riscv64"
CONTENT = b"from the mirror"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
SHA512 = hashlib.sha512(CONTENT).hexdigest()


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    folder = tmp_path / "mirror"
    folder.mkdir()
    (folder / NAME).write_bytes(CONTENT)
    return folder


@pytest.fixture
def mirrored(
    cache: Path, recipes: Path, mirror: Path, store: ArtifactStore, fake_go: FakeGo
) -> ArtifactStore:
    fake_go.set("MODE", "fail")
    return ArtifactStore(cache, mirror, catalog=CATALOG, recipes=recipes)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        (f"{NAME}.sha256", SHA256),
        (f"{NAME}.sha256", f"{SHA256}  {NAME}\n"),
        (f"{NAME}.sha512", f"{SHA512}\n"),
        ("SHA256SUMS", f"{'0' * 64}  other\n{SHA256} *./{NAME}\n"),
    ],
)
def test_a_file_with_a_checksum_beside_it_is_taken(
    mirrored: ArtifactStore, mirror: Path, file: str, text: str, fake_go: FakeGo
) -> None:
    (mirror / file).write_text(text)
    assert mirrored.state([ONE])[0].source == f"mirror {mirror / NAME}"
    artifact = mirrored.resolve([ONE], Deadline.after(60))[ONE]
    assert artifact.path.read_bytes() == CONTENT
    assert artifact.source.startswith(f"mirror {mirror / NAME}")
    assert fake_go.calls == []


def test_a_file_that_nothing_vouches_for_is_refused_with_the_way_to_add_it(
    mirrored: ArtifactStore,
) -> None:
    with pytest.raises(CannotObtain) as caught:
        mirrored.resolve([ONE], Deadline.after(60))
    assert f"sha256sum {NAME} > {NAME}.sha256" in str(caught.value)


def test_a_file_that_is_not_what_its_checksum_says_is_refused(
    mirrored: ArtifactStore, mirror: Path, cache: Path
) -> None:
    (mirror / f"{NAME}.sha256").write_text("0" * 64)
    with pytest.raises(CannotObtain, match="does not match its digest"):
        mirrored.resolve([ONE], Deadline.after(60))
    assert not list((cache / "artifacts").rglob("one"))


def test_a_digest_in_the_lock_outranks_the_one_beside_the_file(
    mirrored: ArtifactStore, mirror: Path, recipes: Path
) -> None:
    lock = recipes / "artifacts.lock"
    tree = json.loads(lock.read_text())
    tree["components"]["one"]["files"] = {"riscv64": SHA256}
    lock.write_text(json.dumps(tree))
    (mirror / f"{NAME}.sha256").write_text("0" * 64)
    artifact = mirrored.resolve([ONE], Deadline.after(60))[ONE]
    assert artifact.sha256 == SHA256


def test_what_the_mirror_lacks_comes_from_the_next_source(
    mirrored: ArtifactStore, mirror: Path, fake_go: FakeGo
) -> None:
    fake_go.set("MODE", "work")
    shutil.rmtree(mirror)
    assert mirrored.resolve([ONE], Deadline.after(60))[ONE].source.startswith("Go modules")


def test_a_full_disk_is_named_and_nothing_is_left(
    mirrored: ArtifactStore, mirror: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(source: Path, target: Path) -> None:
        target.write_bytes(b"part")
        raise OSError(errno.ENOSPC, "No space left on device")

    (mirror / f"{NAME}.sha256").write_text(SHA256)
    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(LabError, match="the disk is full"):
        mirrored.resolve([ONE], Deadline.after(60))
    assert [path.name for path in (cache / "artifacts").iterdir()] == ["build.lock"]


def test_a_mirror_of_dl_k8s_io_is_understood(tmp_path: Path) -> None:
    kubelet = REAL_CATALOG["kubelet"]
    file = tmp_path / f"release/{kubelet.version}/bin/linux/arm64/kubelet"
    file.parent.mkdir(parents=True)
    file.write_bytes(CONTENT)
    file.with_name("kubelet.sha256").write_text(SHA256)
    found = find_in_mirror(Folder(tmp_path), kubelet, Arch.AARCH64, None)
    assert isinstance(found, Found)
    assert tmp_path / found.offer.path == file


def test_the_table_says_how_to_vouch_for_a_file(
    mirrored: ArtifactStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (row,) = mirrored.state([ONE])
    assert row.state is Availability.MISSING
    assert "sha256sum" in row.remedy
