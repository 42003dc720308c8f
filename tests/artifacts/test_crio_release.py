"""The release bundle of CRI-O as its publisher provides it, from a page on loopback or a mirror."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from edge_lab.addons.crio.names import COMPONENTS
from edge_lab.artifacts import CATALOG, ArtifactStore, Availability, CannotObtain, Component, Want
from edge_lab.core.deadline import Deadline
from edge_lab.topology import Arch
from tests.artifacts.archives import tarball
from tests.artifacts.conftest import FakeGo, WebServer

SITE = "https://storage.googleapis.com"
PAGE = "/cri-o/artifacts"
BUNDLE = "cri-o.{}.v1.34.8.tar.gz"
PROGRAMS = {name: f"\x7fELF {name}".encode() * 1000 for name in COMPONENTS}


def bundle() -> bytes:
    """With programs that the lab does not use, too."""
    members = {f"bin/{name}": content for name, content in PROGRAMS.items()}
    return tarball({**members, "bin/crun": b"crun", "etc/crictl.yaml": b"{}"}, top="cri-o")


def files(arch: str, content: bytes, vouched: bytes) -> dict[str, bytes]:
    """The bundle and its checksum file, which is for `vouched`."""
    name = BUNDLE.format(arch)
    line = f"{hashlib.sha256(vouched).hexdigest()}  {name}\n"
    return {name: content, f"{name}.sha256sum": line.encode()}


def moved(web: WebServer) -> dict[str, Component]:
    found = {}
    for name in COMPONENTS:
        release = CATALOG[name].release
        assert release is not None
        page = release.page.replace(SITE, web.url)
        assert page.startswith(web.url)
        found[name] = replace(CATALOG[name], release=replace(release, page=page))
    return found


@pytest.fixture
def store(cache: Path, recipes: Path, web: WebServer, fake_go: FakeGo) -> ArtifactStore:
    store = ArtifactStore(cache, catalog=moved(web), recipes=recipes)
    store.update_lock()
    return store


def refused(store: ArtifactStore, want: Want) -> str:
    with pytest.raises(CannotObtain) as caught:
        store.resolve([want], Deadline.after(60))
    return str(caught.value)


@pytest.mark.parametrize("name", COMPONENTS)
@pytest.mark.parametrize("arch", [Arch.X86_64, Arch.AARCH64])
def test_a_program_is_taken_from_the_bundle_that_its_checksum_verifies(
    store: ArtifactStore, web: WebServer, name: str, arch: Arch
) -> None:
    web.publish(PAGE, files(arch.go, bundle(), bundle()))
    want = Want(name, arch)
    artifact = store.resolve([want], Deadline.after(60))[want]
    assert artifact.path.read_bytes() == PROGRAMS[name]
    record = json.loads(artifact.path.with_name("artifact.json").read_text())
    assert BUNDLE.format(arch.go) in record["vouched"]


def test_a_bundle_that_does_not_match_is_refused(store: ArtifactStore, web: WebServer) -> None:
    web.publish(PAGE, files("amd64", bundle(), b"another"))
    said = refused(store, Want("crio", Arch.X86_64))
    assert "does not match its digest" in said
    assert hashlib.sha256(b"another").hexdigest() in said


def test_a_bundle_without_a_checksum_is_refused(store: ArtifactStore, web: WebServer) -> None:
    name = BUNDLE.format("amd64")
    web.publish(PAGE, {name: bundle()})
    assert f"{name}.sha256sum" in refused(store, Want("crio", Arch.X86_64))


def test_a_bundle_without_the_program_is_refused(store: ArtifactStore, web: WebServer) -> None:
    other = tarball({"bin/crun": b"crun"}, top="cri-o")
    web.publish(PAGE, files("amd64", other, other))
    assert "no bin/crio" in refused(store, Want("crio", Arch.X86_64))


def test_a_page_without_it_is_named(store: ArtifactStore) -> None:
    assert BUNDLE.format("arm64") in refused(store, Want("crio", Arch.AARCH64))


def test_there_is_none_for_riscv64(store: ArtifactStore) -> None:
    assert "not published for riscv64" in refused(store, Want("crio", Arch.RISCV64))


@pytest.mark.parametrize("folder", ["", "cri-o/v1.34.8"])
def test_a_mirror_may_have_it_under_its_publishers_names(
    tmp_path: Path, cache: Path, recipes: Path, web: WebServer, fake_go: FakeGo, folder: str
) -> None:
    place = tmp_path / "mirror" / folder
    place.mkdir(parents=True)
    for name, content in files("arm64", bundle(), bundle()).items():
        (place / name).write_bytes(content)
    store = ArtifactStore(cache, tmp_path / "mirror", catalog=moved(web), recipes=recipes)
    store.update_lock()
    want = Want("conmon", Arch.AARCH64)
    (row,) = store.state([want])
    assert row.state is Availability.AVAILABLE
    assert row.source == f"mirror {place / BUNDLE.format('arm64')}"
    artifact = store.resolve([want], Deadline.after(60))[want]
    assert artifact.path.read_bytes() == PROGRAMS["conmon"]
