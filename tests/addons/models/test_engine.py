"""The inference server: whole versions, and requests that are wrong."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from edge_lab.core.ports import choose_ports
from images.models.edge_models.ask import ask
from images.models.edge_models.client import Client, NoAnswer
from images.models.edge_models.config import Config
from images.models.edge_models.engine import Engine, Unloadable
from images.models.edge_models.serve import Server
from images.models.edge_models.states import Phase, State, Version
from images.models.edge_models.store import Store, digest_of
from tests.addons.models.test_store import manifest_of


@dataclass
class FakeRuntime:
    """A model is a number, which is added to the sum of the inputs."""

    loaded: list[str] = field(default_factory=list)

    def load(self, path: Path) -> Any:
        number = float(path.read_text())
        self.loaded.append(path.parent.name)

        def run(rows: Sequence[Sequence[float]]) -> Sequence[float]:
            return [sum(row) + number for row in rows]

        return run


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "models" / "boiler")


@pytest.fixture
def runtime() -> FakeRuntime:
    return FakeRuntime()


def put(store: Store, tag: str, model: str, scale: float = 1.0) -> Version:
    scaling = {"offsets": [0, 0], "scales": [scale, scale], "offset": 0, "scale": scale}
    files = {"model.onnx": model.encode(), "scaling.json": json.dumps(scaling).encode()}
    manifest = manifest_of(files)
    for content in files.values():
        store.part(digest_of(content)).write_bytes(content)
    store.add(digest_of(manifest), manifest)
    return Version(tag, digest_of(manifest))


def serve(store: Store, version: Version) -> None:
    store.write(State(current=version, phase=Phase.SERVING))


def test_what_the_state_says_serves(store: Store, runtime: FakeRuntime) -> None:
    engine = Engine(store, runtime.load)
    assert engine.serving is None
    first = put(store, "1", "10")
    serve(store, first)
    engine.reload()
    assert engine.serving is not None
    assert engine.serving.version == first
    assert engine.serving.infer([[1, 2]]) == (13.0,)
    engine.reload()
    assert len(runtime.loaded) == 1


def test_a_request_keeps_the_version_that_it_began_with(store: Store, runtime: FakeRuntime) -> None:
    engine = Engine(store, runtime.load)
    serve(store, put(store, "1", "10"))
    engine.reload()
    began = engine.serving
    serve(store, put(store, "2", "20", scale=2.0))
    engine.reload()
    assert began is not None
    assert began.infer([[1, 2]]) == (13.0,)
    assert engine.serving is not None
    assert engine.serving.infer([[2, 2]]) == (44.0,)


@pytest.mark.parametrize("damage", ["not a number", "20"])
def test_what_cannot_be_loaded_leaves_the_one_before(
    store: Store, runtime: FakeRuntime, damage: str
) -> None:
    engine = Engine(store, runtime.load)
    first = put(store, "1", "10")
    serve(store, first)
    engine.reload()
    second = put(store, "2", "20" if damage == "not a number" else "not a number")
    (store.version(second.digest) / "model.onnx").write_text(damage)
    serve(store, second)
    with pytest.raises(Unloadable):
        engine.reload()
    assert engine.serving is not None
    assert engine.serving.version == first


def test_few_versions_are_in_memory(store: Store, runtime: FakeRuntime) -> None:
    engine = Engine(store, runtime.load)
    versions = [put(store, str(number), str(number)) for number in range(5)]
    for version in versions:
        engine.version(version.digest)
    engine.version(versions[-1].digest)
    assert len(runtime.loaded) == 5
    engine.version(versions[0].digest)
    assert len(runtime.loaded) == 6


# -- over HTTP -------------------------------------------------------------------------------------


@contextlib.contextmanager
def serving(folder: Path, runtime: FakeRuntime) -> Iterator[Client]:
    (port,) = choose_ports(1)
    config = Config(
        "edge", folder, "edge-models", {}, (), "127.0.0.1", port, None, None, {}, 1.0, 0
    )
    servers = Server(config, runtime.load).start()
    client = Client(f"http://127.0.0.1:{port}", timeout=60)
    try:
        yield client
    finally:
        client.close()
        for server in servers:
            server.shutdown()
            server.server_close()


def test_requests(tmp_path: Path, store: Store, runtime: FakeRuntime) -> None:
    first = put(store, "1", "10")
    with serving(tmp_path, runtime) as client:
        assert client.serving() == {}
        with pytest.raises(NoAnswer) as caught:
            client.infer("boiler", [[1, 2]])
        assert caught.value.status == 503
        serve(store, first)
        client.reload("boiler")
        assert client.serving() == {"boiler": {"tag": "1", "digest": first.digest}}
        answer = client.infer("boiler", [[1, 2], [3, 4]])
        assert (answer.tag, answer.digest, answer.outputs) == ("1", first.digest, (13.0, 17.0))
        second = put(store, "2", "20")
        assert client.evaluate("boiler", second.digest, [[1, 2]]).outputs == (23.0,)
        assert client.evaluate("boiler", second.digest, []).outputs == ()
        assert client.infer("boiler", [[1, 2]]).tag == "1", "an evaluation changes nothing"
        found = ask(client, "boiler", [1, 2], 5)
        assert (len(found["ms"]), found["tags"], found["troubles"]) == (5, ["1"], [])


def test_wrong_requests(tmp_path: Path, store: Store, runtime: FakeRuntime) -> None:
    serve(store, put(store, "1", "10"))
    with serving(tmp_path, runtime) as client:
        client.reload("boiler")
        wrong: tuple[tuple[int, Callable[[], object]], ...] = (
            (404, lambda: client.infer("press", [[1, 2]])),
            (404, lambda: client.infer("../boiler", [[1, 2]])),
            (400, lambda: client.infer("boiler", [[1, 2, 3]])),
            (422, lambda: client.evaluate("boiler", f"sha256:{'0' * 64}", [[1, 2]])),
            (422, lambda: client.evaluate("boiler", "../../state", [[1, 2]])),
        )
        for status, ask_for in wrong:
            with pytest.raises(NoAnswer) as caught:
                ask_for()
            assert caught.value.status == status
        assert client.infer("boiler", [[1, 2]]).outputs == (13.0,)
