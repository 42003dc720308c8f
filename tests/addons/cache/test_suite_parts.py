"""What the suite runs on nodes, as far as it runs without one."""

from __future__ import annotations

import hashlib
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from edge_lab.addons.cache.content import IMAGES
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from suites.cache.judging import Read
from suites.cache.objects import image_named, image_pod
from suites.cache.onnode import _ASK, _DAMAGE, _READ, CacheNode

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab


def python(script: str, *words: str) -> str:
    argv = [sys.executable, "-I", "-c", script, *words]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True).stdout


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """A folder with one file, by HTTP."""

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args, directory=str(tmp_path))

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    (tmp_path / "data").write_bytes(b"data")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_what_is_read_is_what_is_served(served: str) -> None:
    said = python(_READ, f"{served}/data", "3", "/dev/null").splitlines()
    reads = [Read(*json.loads(line)) for line in said]
    assert len(reads) == 3
    assert {read.sha256 for read in reads} == {
        "3a6eb0790f39ac87c94f3856b2dd2c5d110e6811602261a9a923d3bb23adc8b7"
    }


def test_an_answer_and_a_refusal_are_told_apart(served: str) -> None:
    digest = f"sha256:{hashlib.sha256(b'data').hexdigest()}"
    assert python(_ASK, f"{served}/data").split() == ["200", "4", digest]
    assert python(_ASK, f"{served}/nothing").split() == ["404", "0", "-"]


@pytest.mark.parametrize("how", ["poisoned", "truncated"])
def test_only_the_layer_that_is_meant_is_damaged(tmp_path: Path, how: str) -> None:
    content = b"KEY: sha256:abc" + bytes(600_000)
    other = b"KEY: sha256:def" + bytes(600_000)
    small = b"KEY: sha256:abc"
    for name, written in (("a", content), ("b", other), ("c", small)):
        (tmp_path / name).write_bytes(written)
    assert python(_DAMAGE, str(tmp_path), "sha256:abc", how).strip() == "1"
    assert (tmp_path / "a").read_bytes() != content
    assert (len((tmp_path / "a").read_bytes()) == len(content)) == (how == "poisoned")
    assert (tmp_path / "b").read_bytes() == other
    assert (tmp_path / "c").read_bytes() == small


LISTED = """REF TYPE DIGEST SIZE
registry.edge-lab.local/cached:1 type sha256:a 1.0 MiB
sha256:c type sha256:a 1.0 MiB
registry.edge-lab.local/absent:1 type sha256:b 1.0 MiB
"""


class Containerd:
    """A node whose containerd has images, and removes them or does not."""

    def __init__(self, *, removes: bool) -> None:
        self.lines, self.removes = LISTED.splitlines(), removes

    def run(self, command: str, deadline: Deadline) -> Ran:
        words = command.split()
        if "rm" in words and "images" in words and self.removes:
            self.lines = [line for line in self.lines if line.split()[0] not in words]
        names = [line.split()[0] for line in self.lines[1:]]
        return Ran("\n".join(names if "-q" in words else self.lines))


@dataclass(frozen=True)
class Ran:
    stdout: str


def node_with(machine: Containerd) -> CacheNode:
    lab = SimpleNamespace(machine=lambda name: machine)
    return CacheNode(cast("Lab", lab), "edge-arm", Deadline.after)


def test_a_forgotten_image_is_gone_under_all_names() -> None:
    node = node_with(Containerd(removes=True))
    assert node.has(image_named("cached"))
    node.forget(image_named("cached"))
    assert node.references() == ("registry.edge-lab.local/absent:1",)
    assert not node.has(image_named("cached"))
    node.forget(image_named("always"))


def test_an_image_that_stays_is_no_forgotten_one() -> None:
    node = node_with(Containerd(removes=False))
    with pytest.raises(LabError, match=r"still has registry\.edge-lab\.local/cached:1, sha256:c"):
        node.forget(image_named("cached"))


def test_an_answer_that_ends_early_is_told_with_what_came() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def half() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\ndata")

        threading.Thread(target=half, daemon=True).start()
        digest = f"sha256:{hashlib.sha256(b'data').hexdigest()}"
        said = python(_ASK, f"http://127.0.0.1:{server.getsockname()[1]}/data")
        assert said.split() == ["200", "4", digest]


def test_each_pod_names_an_image_that_the_registry_has() -> None:
    pod = image_pod("name", "edge-arm", "cached", policy="Always")
    (container,) = pod["spec"]["containers"]
    assert container["image"] == "registry.edge-lab.local/cached:1"
    assert container["imagePullPolicy"] == "Always"
    assert len({image.own_digest for image in IMAGES}) == len(IMAGES)
    with pytest.raises(ValueError, match="unpack"):
        image_named("no-such-image")
