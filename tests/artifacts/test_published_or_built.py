"""Components that are published and can be built: the publisher first, where it answers."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

import edge_lab.artifacts.web
from edge_lab.artifacts import ArtifactStore, Availability, ReleaseSource, Want
from edge_lab.artifacts.catalog import CATALOG as REAL
from edge_lab.artifacts.model import Refusal
from edge_lab.artifacts.offers import mirror_offers
from edge_lab.artifacts.orders import OrderBook
from edge_lab.artifacts.release import (
    Asked,
    Release,
    ReleasePages,
    find_release,
    read_release_pages,
)
from edge_lab.artifacts.web import CONNECT_SECONDS, Web, _next_hop
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import InputError
from edge_lab.core.step import StepEvent, listening
from edge_lab.topology import Arch
from tests.artifacts.conftest import CATALOG, FakeGo, WebServer

ARM, RISCV = Arch.AARCH64, Arch.RISCV64
ONE, TWO = Want("one", ARM), Want("two", ARM)
CONTENT = b"published" * 1000
KUBERNETES = ("kube-apiserver", "kubelet", "kubectl", "kube-proxy")


def soon() -> Deadline:
    return Deadline.after(60)


def store_for(cache: Path, recipes: Path, url: str, *, asked: Asked = Asked.ALL) -> ArtifactStore:
    release = ReleaseSource(
        url + "/release/{version}",
        {ARM: ("bin/linux/{arch}/{name}",)},
        upstream="release",
        checksums="{file}.sha256",
    )
    catalog = {
        **CATALOG,
        **{name: replace(CATALOG[name], release=release) for name in ("one", "two")},
    }
    store = ArtifactStore(cache, catalog=catalog, recipes=recipes, pages=ReleasePages(asked))
    store.update_lock()
    return store


@pytest.fixture
def published(cache: Path, recipes: Path, web: WebServer, fake_go: FakeGo) -> ArtifactStore:
    for name in ("one", "two"):
        path = f"/release/v1.0.0/bin/linux/arm64/{name}"
        web.content[path] = CONTENT
        web.content[f"{path}.sha256"] = hashlib.sha256(CONTENT).hexdigest().encode()
    return store_for(cache, recipes, web.url)


def test_what_is_published_is_not_built(
    published: ArtifactStore, web: WebServer, fake_go: FakeGo
) -> None:
    artifact = published.resolve([ONE], soon())[ONE]
    assert artifact.path.read_bytes() == CONTENT
    assert fake_go.calls == []
    url = f"{web.url}/release/v1.0.0/bin/linux/arm64/one"
    assert artifact.source == f"release {url}"
    record = json.loads((artifact.path.parent / "artifact.json").read_text())
    assert record["vouched"].endswith(f"for one, by {url}.sha256")
    assert record["module"] == ""


def test_an_architecture_that_is_not_published_is_built(
    published: ArtifactStore, fake_go: FakeGo
) -> None:
    wants = [ONE, Want("one", RISCV)]
    found = published.resolve(wants, soon())
    assert [found[want].source.split(" ")[0] for want in wants] == ["release", "Go"]
    assert len(fake_go.calls) == 1


def test_what_is_not_on_the_page_is_built(
    published: ArtifactStore, web: WebServer, fake_go: FakeGo
) -> None:
    web.content.clear()
    assert published.resolve([ONE], soon())[ONE].source.startswith("Go modules")


@pytest.mark.parametrize("spoilt", ["", ".sha256"])
def test_a_file_that_is_not_what_its_checksum_says_is_not_used_and_that_is_told(
    published: ArtifactStore, web: WebServer, spoilt: str
) -> None:
    web.content[f"/release/v1.0.0/bin/linux/arm64/one{spoilt}"] = b"0" * 64
    told: list[StepEvent] = []
    with listening(told.append):
        found = published.resolve([ONE], soon())
    assert found[ONE].source.startswith("Go modules")
    assert any(event.title.startswith("warning: one for aarch64: ") for event in told)


def test_a_file_without_a_checksum_is_not_used(published: ArtifactStore, web: WebServer) -> None:
    del web.content["/release/v1.0.0/bin/linux/arm64/one.sha256"]
    assert published.resolve([ONE], soon())[ONE].source.startswith("Go modules")


def test_the_cache_is_the_same_wherever_it_came_from(
    published: ArtifactStore, cache: Path, recipes: Path, fake_go: FakeGo
) -> None:
    first = published.resolve([ONE], soon())[ONE]
    elsewhere = store_for(cache, recipes, "http://127.0.0.1:9")
    assert elsewhere.resolve([ONE], soon())[ONE] == first
    assert fake_go.calls == []


# -- where there is no network -----------------------------------------------------------


@contextmanager
def black_hole() -> Iterator[str]:
    """The address of a port that takes no connection and refuses none: its queue is full."""
    with socket.socket() as server, socket.socket() as first:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        first.connect(server.getsockname())
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_a_network_that_answers_nothing_is_waited_for_once_and_shortly(
    cache: Path, recipes: Path, fake_go: FakeGo, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[object] = []
    connect = socket.create_connection

    def counted(address: tuple[str, int], timeout: float) -> socket.socket:
        tried.append(address)
        assert timeout == CONNECT_SECONDS
        return connect(address, 0.2)  # as it is, in less time

    monkeypatch.setattr(socket, "create_connection", counted)
    with black_hole() as url:
        store = store_for(cache, recipes, url)
        found = store.resolve([ONE], soon()) | store.resolve([TWO], soon())
    assert len(tried) == 1
    assert {each.source.split(" ")[0] for each in found.values()} == {"Go"}


def test_a_name_that_is_not_resolved_in_time_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    over = threading.Event()

    def hang(*_: object, **__: object) -> None:
        over.wait(60)
        raise socket.gaierror("no answer")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    monkeypatch.setattr(edge_lab.artifacts.web, "CONNECT_SECONDS", 0.1)
    began = time.monotonic()
    assert "no connection within 0.1 s" in Web(soon()).silent("https://dl.example.org/x")
    assert time.monotonic() - began < 30
    over.set()


def test_a_server_that_takes_connections_and_says_nothing_is_given_up_once(
    cache: Path, recipes: Path, fake_go: FakeGo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge_lab.artifacts.web, "HURRIED_SECONDS", 0.2)
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(20)
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        web = Web(soon())
        assert web.silent(f"{url}/a") == ""
        began = time.monotonic()
        found = store_for(cache, recipes, url).resolve([ONE, TWO], soon())
        assert time.monotonic() - began < 30  # with the usual patience: four times 30 s for each
    assert {each.source.split(" ")[0] for each in found.values()} == {"Go"}


@pytest.mark.parametrize("asked", [Asked.NEEDED, Asked.NONE])
def test_no_release_page_is_asked_for_what_can_be_built_unless_told_so(
    published: ArtifactStore, cache: Path, recipes: Path, web: WebServer, asked: Asked
) -> None:
    store = store_for(cache, recipes, web.url, asked=asked)
    assert store.resolve([ONE], soon())[ONE].source.startswith("Go modules")
    assert web.ranges == []


@pytest.mark.parametrize(
    ("text", "asked"),
    [("", Asked.NEEDED), ("needed", Asked.NEEDED), ("all", Asked.ALL), ("none", Asked.NONE)],
)
def test_the_environment_says_which_pages_are_asked(text: str, asked: Asked) -> None:
    assert read_release_pages(text).asked is asked


def test_another_value_of_the_variable_is_refused() -> None:
    with pytest.raises(InputError, match="LAB_RELEASES"):
        read_release_pages("0ff")


def test_what_cannot_be_built_is_asked_for_unless_no_page_may_be() -> None:
    edgecore = REAL["edgecore"]
    assert isinstance(ReleasePages().find(edgecore, ARM), Release)
    assert isinstance(ReleasePages(Asked.NONE).find(edgecore, ARM), Refusal)
    # Kubernetes beside it, which can.
    assert isinstance(ReleasePages().find(REAL["kubelet"], ARM), Refusal)
    assert isinstance(ReleasePages(Asked.ALL).find(REAL["kubelet"], ARM), Release)


def test_a_proxy_is_what_is_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("HTTPS_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("https_proxy", "http://user:word@proxy.example.org:3128/")
    assert _next_hop("https://dl.k8s.io/x") == ("proxy.example.org", 3128)
    monkeypatch.setenv("no_proxy", "dl.k8s.io")
    assert _next_hop("https://dl.k8s.io/x") == ("dl.k8s.io", 443)


# -- what the doctor says, and the real catalogue -------------------------------------------


def test_the_doctor_names_both_sources(published: ArtifactStore) -> None:
    (state,) = published.state([ONE])
    assert state.state is Availability.AVAILABLE
    assert "/bin/linux/arm64/one, if it answers; else Go modules: " in state.source
    published.resolve([ONE], soon())
    (state,) = published.state([ONE])
    assert state.source.startswith("release ")


@pytest.mark.parametrize("name", KUBERNETES)
def test_kubernetes_is_published_for_two_architectures_under_its_names(name: str) -> None:
    component = REAL[name]
    release = find_release(component, ARM)
    assert isinstance(release, Release)
    version = component.version
    assert release.url == f"https://dl.k8s.io/release/{version}/bin/linux/arm64/{name}"
    assert release.offer.checksums == (f"bin/linux/arm64/{name}.sha256",)
    assert not isinstance(find_release(component, RISCV), Release)
    offers = {arch: [each.path for each in mirror_offers(component, arch)] for arch in (ARM, RISCV)}
    for arch, paths in offers.items():
        assert paths == [
            f"release/{version}/bin/linux/{arch.go}/{name}",
            f"{name}-{version}-linux-{arch.go}",
        ]


def test_that_it_is_published_changes_no_key_of_what_was_built_before() -> None:
    store = ArtifactStore.default()
    book: OrderBook = store._orders
    (with_page,) = book.orders([Want("kubelet", ARM)])
    assert with_page.component.release is not None
    without = replace(with_page.component, release=None)
    components = {**REAL, "kubelet": without}
    (before,) = ArtifactStore(Path("/nowhere"), catalog=components)._orders.orders(
        [Want("kubelet", ARM)]
    )
    assert with_page.key == before.key
