"""A catalogue of made-up components, a `go` that is a shell script, and a loopback web server."""

from __future__ import annotations

import contextlib
import socket
import stat
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from edge_lab.artifacts import ArtifactStore, Component, GoSource

FAKE_GO = r"""#!/bin/sh
# Behaves as FAKE_GO_MODE says; writes each call and its environment to FAKE_GO_CALLS.
case "$1" in
env) echo "${FAKE_GO_VERSION:-go1.26.1}"; exit 0 ;;
list)
    echo "go: downloading example.org/dep v1.0.0" >&2
    printf 'fmt\nexample.org/dep\nexample.org/hub/cmd/one\n'
    exit 0 ;;
mod)
    echo "call $*" >> "$FAKE_GO_CALLS"
    [ "${FAKE_GO_MODE:-work}" = work ] || { printf '{\n\t"Error": "no such module"\n}\n'; exit 1; }
    echo "go: downloading $4" >&2
    printf '{\n\t"Path": "x",\n\t"Zip": "%s",\n\t"Origin": {\n\t\t"VCS": "git"\n\t}\n}\n' \
        "$FAKE_GO_ZIP"
    exit 0 ;;
esac
{ echo "call $*"; env | grep -E '^(GO|CGO|EDGE_LAB)' | sort; } >> "$FAKE_GO_CALLS"
case "${FAKE_GO_MODE:-work}" in
fail)
    printf 'fmt\nexample.org/dep\n# example.org/hub/cmd/one\nmain.go:7:2: undefined: x\n' >&2
    exit 1 ;;
full)
    echo "write /x: no space left on device" >&2
    exit 1 ;;
hang)
    sleep 1000 & echo $! > "$FAKE_GO_CALLS.child"
    wait ;;
esac
while [ $# -gt 0 ]; do
    case "$1" in
    -o) into=$2; shift ;;
    example.org/*)
        echo "$1" >&2
        [ "$FAKE_GO_MODE" = nothing ] || echo "program $1 $GOARCH" > "$into/$(basename "$1")" ;;
    esac
    shift
done
[ -z "$FAKE_GO_TOUCHES" ] || echo changed >> "$FAKE_GO_TOUCHES"
"""


def _upstream(name: str) -> Component:
    package = f"example.org/hub/cmd/{name}"
    return Component(name, "v1.0.0", go=GoSource("hub", package, upstream="example.org/hub"))


CATALOG = {
    "one": _upstream("one"),
    "two": _upstream("two"),
    "ours": Component("ours", "0.1.0", go=GoSource("ours", "example.org/ours")),
}


@pytest.fixture(autouse=True)
def loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """The catalogue names real release pages: no test may ask one, nor for its address."""
    resolve = socket.getaddrinfo

    def guarded(host: Any, *rest: Any, **more: Any) -> Any:
        assert host in ("127.0.0.1", "localhost"), f"a test asked for {host}"
        return resolve(host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", guarded)
    for variable in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(variable, raising=False)
        monkeypatch.delenv(variable.upper(), raising=False)


@dataclass
class FakeGo:
    """What the false `go` was asked."""

    calls_file: Path
    monkeypatch: pytest.MonkeyPatch

    def set(self, name: str, value: str) -> None:
        """FAKE_GO_<name>=value for the calls from here on."""
        self.monkeypatch.setenv(f"FAKE_GO_{name}", value)

    @property
    def calls(self) -> list[str]:
        """The arguments of each `go build`."""
        return [line[5:] for line in self._lines() if line.startswith("call ")]

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the last call."""
        return dict(line.split("=", 1) for line in self._lines() if not line.startswith("call "))

    def _lines(self) -> list[str]:
        return self.calls_file.read_text().splitlines() if self.calls_file.exists() else []


@pytest.fixture
def fake_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeGo:
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "go"
    program.write_text(FAKE_GO)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    go = FakeGo(tmp_path / "calls", monkeypatch)
    go.set("CALLS", str(go.calls_file))
    go.set("TOUCHES", "")
    go.set("MODE", "work")
    return go


@pytest.fixture
def recipes(tmp_path: Path) -> Path:
    """images/ with two Go modules: `hub`, an upstream's, and `ours`, whose source is there."""
    hub, ours = tmp_path / "images/go/hub", tmp_path / "images/go/ours"
    hub.mkdir(parents=True)
    ours.mkdir(parents=True)
    (hub / "go.mod").write_text("module x\n\ngo 1.25.0\n\nrequire example.org/hub v1.0.0\n")
    (hub / "go.sum").write_text("example.org/hub v1.0.0 h1:aaaa=\n")
    (ours / "go.mod").write_text("module example.org/ours\n\ngo 1.25.0\n")
    (ours / "main.go").write_text("package main\n\nfunc main() {}\n")
    return tmp_path / "images"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    folder = tmp_path / "cache"
    folder.mkdir()
    return folder


@pytest.fixture
def store(cache: Path, recipes: Path, fake_go: FakeGo) -> ArtifactStore:
    """A store over the made-up catalogue, locked, without a mirror."""
    store = ArtifactStore(cache, catalog=CATALOG, recipes=recipes)
    store.update_lock()
    return store


@dataclass
class WebServer:
    """A web server on loopback with bad manners on demand."""

    url: str
    content: dict[str, bytes] = field(default_factory=dict)
    breaks_after: list[int] = field(default_factory=list)
    """For each of the next answers: the connection is closed after so many bytes of it."""
    resumes: bool = True
    ranges: list[str] = field(default_factory=list)
    """The Range header of each request, empty for none."""
    asked: list[str] = field(default_factory=list)
    """The path of each request, as it was sent."""
    forbidden: set[str] = field(default_factory=set)
    """Paths that are answered with 403."""

    def publish(self, page: str, files: dict[str, bytes]) -> None:
        """Puts `files` below the path `page`, as it is sent."""
        self.content |= {f"{page}/{name}": content for name, content in files.items()}


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[WebServer]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range", "")
            server.ranges.append(asked)
            server.asked.append(self.path)
            if self.path in server.forbidden:
                self.send_error(403)
                return
            body = server.content.get(self.path)
            if body is None:
                self.send_error(404)
                return
            start = int(asked[6:-1]) if asked and server.resumes else 0
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(body) - start))
            self.end_headers()
            count = server.breaks_after.pop(0) if server.breaks_after else len(body)
            with contextlib.suppress(ConnectionError):  # who only looks hangs up at once
                self.wfile.write(body[start : start + count])

        def log_message(self, format: str, *args: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server = WebServer(f"http://127.0.0.1:{http.server_address[1]}")
    thread = threading.Thread(target=http.serve_forever, args=(0.05,))
    thread.start()
    yield server
    http.shutdown()
    thread.join()
    http.server_close()
