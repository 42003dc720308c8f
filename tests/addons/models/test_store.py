"""Versions on disk: complete or absent; and what is fetched from registries that lie or break."""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from images.models.edge_models import registry as fetching
from images.models.edge_models.registry import NotFound, Source, Unreachable, fetch
from images.models.edge_models.states import Phase, State
from images.models.edge_models.store import (
    Corrupt,
    Journal,
    Store,
    damage_of,
    digest_of,
    parts_of,
    tail_of,
)

FILES = {"model.onnx": b"m" * 300_000, "scaling.json": b"{}"}


def manifest_of(files: dict[str, bytes]) -> bytes:
    layers = [
        {
            "digest": digest_of(content),
            "size": len(content),
            "annotations": {"org.opencontainers.image.title": name},
        }
        for name, content in files.items()
    ]
    return json.dumps({"layers": layers}).encode()


@dataclass
class FakeRegistry:
    """A registry that serves what it is given, and breaks where it is told."""

    content: dict[str, bytes] = field(default_factory=dict)
    stops_after: int | None = None
    asked: list[str] = field(default_factory=list)
    url: str = ""

    @contextlib.contextmanager
    def serving(self) -> Iterator[Source]:
        ours = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                digest = self.path.rpartition("/")[2]
                span = self.headers.get("Range", "")
                ours.asked.append(f"{digest} {span}".strip())
                content = ours.content.get(digest)
                if content is None:
                    self.send_error(404)
                    return
                start = int(span.removeprefix("bytes=").rstrip("-") or 0)
                self.send_response(206 if span else 200)
                self.send_header("Content-Length", str(len(content) - start))
                self.end_headers()
                rest = content[start:]
                stop = ours.stops_after if len(rest) > 1000 else None
                self.wfile.write(rest if stop is None else rest[:stop])

            def log_message(self, format: str, *args: object) -> None:
                pass

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.05,))
            thread.start()
            try:
                yield Source(f"http://127.0.0.1:{server.server_address[1]}")
            finally:
                server.shutdown()
                thread.join()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def registry_with(files: dict[str, bytes]) -> tuple[FakeRegistry, str]:
    manifest = manifest_of(files)
    content = {digest_of(content): content for content in (manifest, *files.values())}
    return FakeRegistry(content), digest_of(manifest)


def test_a_version_is_fetched_and_verified(store: Store) -> None:
    registry, digest = registry_with(FILES)
    with registry.serving() as source:
        fetch(store, [source], "models/boiler", digest)
        assert store.has(digest)
        assert store.damage(digest) == ""
        asked = len(registry.asked)
        fetch(store, [source], "models/boiler", digest)
    assert len(registry.asked) == asked, "what is there is not fetched again"
    found = {path.name: path.read_bytes() for path in store.version(digest).iterdir()}
    assert {name: found[name] for name in FILES} == FILES


def test_an_interrupted_fetch_leaves_no_version_and_goes_on_where_it_ended(store: Store) -> None:
    registry, digest = registry_with(FILES)
    registry.stops_after = 100_000
    with registry.serving() as source:
        with pytest.raises(Unreachable):
            fetch(store, [source], "models/boiler", digest)
        assert not store.has(digest)
        part = store.part(digest_of(FILES["model.onnx"]))
        assert part.stat().st_size == 100_000
        registry.stops_after = None
        fetch(store, [source], "models/boiler", digest)
    assert any(request.endswith("bytes=100000-") for request in registry.asked)
    assert store.damage(digest) == ""


@pytest.mark.parametrize("count", [500, len(FILES["model.onnx"])])
def test_what_a_loss_of_power_has_left_of_a_file_is_fetched_again(store: Store, count: int) -> None:
    registry, digest = registry_with(FILES)
    store.part(digest_of(FILES["model.onnx"])).write_bytes(bytes(count))
    with registry.serving() as source:
        fetch(store, [source], "models/boiler", digest)
    assert store.damage(digest) == ""


@pytest.mark.parametrize("what", ["manifest", "model"])
def test_content_that_is_not_its_digest_is_refused(store: Store, what: str) -> None:
    registry, digest = registry_with(FILES)
    name = digest if what == "manifest" else digest_of(FILES["model.onnx"])
    registry.content[name] = registry.content[name][:-1] + b"x"
    with registry.serving() as source, pytest.raises(Corrupt):
        fetch(store, [source], "models/boiler", digest)
    assert not store.has(digest)
    assert not store.part(name).exists(), "a later attempt does not go on with it"


def test_a_poisoned_cache_is_passed_by(store: Store) -> None:
    good, digest = registry_with(FILES)
    bad, _ = registry_with(FILES)
    bad.content[digest_of(FILES["model.onnx"])] = b"x" * 300_000
    with bad.serving() as cache, good.serving() as origin:
        fetch(store, [cache, origin], "models/boiler", digest)
    assert store.damage(digest) == ""


def test_the_last_source_has_the_last_word(store: Store) -> None:
    registry, digest = registry_with(FILES)
    empty = FakeRegistry()
    nobody = Source("http://127.0.0.1:1")
    with registry.serving() as source, empty.serving() as other:
        with pytest.raises(NotFound):
            fetch(store, [nobody, other], "models/boiler", digest)
        with pytest.raises(Unreachable):
            fetch(store, [other, nobody], "models/boiler", digest)
        fetch(store, [nobody, other, source], "models/boiler", digest)


@pytest.mark.parametrize(
    "manifest",
    [
        b"",
        b"[]",
        b"{}",
        b'{"layers": []}',
        manifest_of({"../evil": b"x"}),
        manifest_of({"manifest.json": b"x"}),
        manifest_of({"..": b"x"}),
    ],
)
def test_manifests_of_something_else_are_refused(manifest: bytes) -> None:
    with pytest.raises(Corrupt):
        parts_of(manifest)


def test_damage_is_found(store: Store) -> None:
    registry, digest = registry_with(FILES)
    with registry.serving() as source:
        fetch(store, [source], "models/boiler", digest)
    folder = store.version(digest)
    assert damage_of(folder, f"sha256:{hashlib.sha256(b'other').hexdigest()}")
    (folder / "model.onnx").write_bytes(b"truncated")
    assert "model.onnx" in store.damage(digest)
    (folder / "model.onnx").unlink()
    assert store.damage(digest)


def test_versions_that_are_not_kept_go(store: Store) -> None:
    digests = []
    for text in (b"one", b"two"):
        registry, digest = registry_with({"model.onnx": text})
        with registry.serving() as source:
            fetch(store, [source], "models/boiler", digest)
        digests.append(digest)
    store.prune(frozenset(digests[1:]))
    assert not store.has(digests[0])
    assert store.has(digests[1])


def test_the_state_is_the_one_before_or_the_next(store: Store) -> None:
    assert store.state() == State()
    store.write(State(phase=Phase.FETCHING))
    (store.folder / "state.new").write_text("half of a st")
    assert store.state().phase is Phase.FETCHING


def test_a_journal_outlives_a_line_that_was_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    Journal(path).add(number=1)
    with path.open("a") as sink:
        sink.write('{"number": ')
    Journal(path).add(number=3)
    assert [record["number"] for record in tail_of(path, 1000)] == [1, 3]
    assert tail_of(path, 16)[-1:] == [{"number": 3}]
    assert tail_of(tmp_path / "none", 10) == []


def test_a_silent_source_is_given_up() -> None:
    assert fetching.SILENT_SECONDS <= 10
