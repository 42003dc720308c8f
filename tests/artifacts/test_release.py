from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from edge_lab.artifacts import ArtifactStore, CannotObtain, ReleaseSource, Want
from edge_lab.artifacts.release import Asked, ReleasePages
from edge_lab.core.deadline import Deadline
from edge_lab.topology import Arch
from tests.artifacts.conftest import CATALOG, FakeGo, WebServer
from tests.ports import closed_port

ONE = Want("one", Arch.AARCH64)
CONTENT = bytes(range(256)) * 5000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def store_with_release(cache: Path, recipes: Path, url: str, sha256: str) -> ArtifactStore:
    release = ReleaseSource(
        url + "/{version}",
        {Arch.AARCH64: ("{name}-{arch}",)},
        sha256={Arch.AARCH64: sha256} if sha256 else {},
    )
    catalog = {**CATALOG, "one": replace(CATALOG["one"], release=release)}
    pages = ReleasePages(Asked.ALL)
    store = ArtifactStore(cache, catalog=catalog, recipes=recipes, pages=pages)
    store.update_lock()
    return store


@pytest.fixture
def released(cache: Path, recipes: Path, web: WebServer, fake_go: FakeGo) -> ArtifactStore:
    fake_go.set("MODE", "fail")
    web.content["/v1.0.0/one-arm64"] = CONTENT
    return store_with_release(cache, recipes, web.url, SHA256)


def cached_files(cache: Path) -> list[str]:
    return [path.name for path in (cache / "artifacts").rglob("*") if path.is_file()]


def test_a_pinned_file_is_downloaded(
    released: ArtifactStore, web: WebServer, fake_go: FakeGo
) -> None:
    artifact = released.resolve([ONE], Deadline.after(60))[ONE]
    assert artifact.sha256 == SHA256
    assert artifact.source == f"release {web.url}/v1.0.0/one-arm64"
    assert fake_go.calls == []


def test_a_download_that_breaks_off_goes_on_where_it_was(
    released: ArtifactStore, web: WebServer
) -> None:
    web.breaks_after = [1000, 200_000]
    artifact = released.resolve([ONE], Deadline.after(60))[ONE]
    assert artifact.path.read_bytes() == CONTENT
    assert web.ranges == ["", "bytes=1000-", "bytes=201000-"]


def test_a_server_that_cannot_resume_sends_it_all_again(
    released: ArtifactStore, web: WebServer
) -> None:
    web.breaks_after = [1000]
    web.resumes = False
    artifact = released.resolve([ONE], Deadline.after(60))[ONE]
    assert artifact.path.read_bytes() == CONTENT


def test_a_download_that_breaks_off_again_and_again_leaves_nothing(
    released: ArtifactStore, web: WebServer, cache: Path
) -> None:
    web.breaks_after = [1000] * 10
    with pytest.raises(CannotObtain, match=r"broke off 4 times \(last: 4000 of 1280000 bytes"):
        released.resolve([ONE], Deadline.after(60))
    assert cached_files(cache) == ["build.lock"]


def test_a_file_that_is_not_the_pinned_one_is_refused(
    released: ArtifactStore, web: WebServer, cache: Path
) -> None:
    web.content["/v1.0.0/one-arm64"] = CONTENT[:-1] + b"!"
    with pytest.raises(
        CannotObtain,
        match=r"does not match its digest, sha256:\w+ by images/artifacts\.lock",
    ):
        released.resolve([ONE], Deadline.after(60))
    assert cached_files(cache) == ["build.lock"]


def test_a_file_that_is_not_there_is_said_so(released: ArtifactStore, web: WebServer) -> None:
    web.content.clear()
    with pytest.raises(CannotObtain, match="404 Not Found"):
        released.resolve([ONE], Deadline.after(60))
    assert len(web.ranges) == 1


def test_a_server_that_is_not_there_is_said_so(
    cache: Path, recipes: Path, fake_go: FakeGo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    fake_go.set("MODE", "fail")
    with closed_port() as port:
        url = f"http://127.0.0.1:{port}"
        store = store_with_release(cache, recipes, url, SHA256)
        with pytest.raises(CannotObtain, match="Connection refused"):
            store.resolve([ONE], Deadline.after(60))


def test_after_a_failed_download_the_next_source_is_asked(
    released: ArtifactStore, web: WebServer, fake_go: FakeGo
) -> None:
    web.content.clear()
    fake_go.set("MODE", "work")
    assert released.resolve([ONE], Deadline.after(60))[ONE].source.startswith("Go modules")


def test_an_architecture_that_is_not_published_is_named(
    released: ArtifactStore, fake_go: FakeGo
) -> None:
    with pytest.raises(CannotObtain, match=r"one v1\.0\.0 is not published for riscv64"):
        released.resolve([Want("one", Arch.RISCV64)], Deadline.after(60))
