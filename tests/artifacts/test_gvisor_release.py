"""A release of gVisor as its publisher provides it, from a page on loopback."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from edge_lab.artifacts import CATALOG, ArtifactStore, CannotObtain, Want
from edge_lab.core.deadline import Deadline
from edge_lab.topology import Arch
from tests.artifacts.conftest import FakeGo, WebServer

SITE = "https://storage.googleapis.com"
PAGE = "/gvisor/releases/release/20260817"
PROGRAMS = ("runsc", "containerd-shim-runsc-v1")
CONTENT = b"\x7fELF a program" * 1000


@pytest.fixture
def store(cache: Path, recipes: Path, web: WebServer, fake_go: FakeGo) -> ArtifactStore:
    moved = {}
    for name in PROGRAMS:
        release = CATALOG[name].release
        assert release is not None
        page = release.page.replace(SITE, web.url)
        assert page.startswith(web.url)
        moved[name] = replace(CATALOG[name], release=replace(release, page=page))
    store = ArtifactStore(cache, catalog=moved, recipes=recipes)
    store.update_lock()
    return store


def refused(store: ArtifactStore, name: str, arch: Arch) -> str:
    with pytest.raises(CannotObtain) as caught:
        store.resolve([Want(name, arch)], Deadline.after(60))
    return str(caught.value)


def publish(web: WebServer, name: str, arch: str, content: bytes) -> None:
    line = f"{hashlib.sha512(CONTENT).hexdigest()}  {name}\n"
    web.publish(f"{PAGE}/{arch}", {name: content, f"{name}.sha512": line.encode()})


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_is_verified_by_the_digest_beside_it(
    store: ArtifactStore, web: WebServer, name: str
) -> None:
    publish(web, name, "aarch64", CONTENT)
    want = Want(name, Arch.AARCH64)
    artifact = store.resolve([want], Deadline.after(60))[want]
    assert artifact.path.read_bytes() == CONTENT
    record = json.loads(artifact.path.with_name("artifact.json").read_text())
    assert record["vouched"].startswith("sha512:")


def test_a_program_that_does_not_match_is_refused(store: ArtifactStore, web: WebServer) -> None:
    publish(web, "runsc", "x86_64", b"another")
    assert "sha512:" in refused(store, "runsc", Arch.X86_64)


def test_there_is_none_for_riscv64(store: ArtifactStore) -> None:
    assert "not published for riscv64" in refused(store, "runsc", Arch.RISCV64)
