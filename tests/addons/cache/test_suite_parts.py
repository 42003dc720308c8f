"""What the suite runs on nodes, as far as it runs without one."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from edge_lab.addons.cache.content import IMAGES
from suites.cache.judging import Read
from suites.cache.objects import image_named, image_pod
from suites.cache.onnode import _ASK, _DAMAGE, _READ


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


def test_each_pod_names_an_image_that_the_registry_has() -> None:
    pod = image_pod("name", "edge-arm", "cached", policy="Always")
    (container,) = pod["spec"]["containers"]
    assert container["image"] == "registry.edge-lab.local/cached:1"
    assert container["imagePullPolicy"] == "Always"
    assert len({image.own_digest for image in IMAGES}) == len(IMAGES)
    with pytest.raises(ValueError, match="unpack"):
        image_named("no-such-image")
