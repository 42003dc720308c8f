"""As much of an API server as a mapper needs: lists, watches, merge patches, creation."""

from __future__ import annotations

import contextlib
import json
import queue
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

GROUP = "/apis/devices.kubeedge.io/v1beta1"
Item = dict[str, Any]


class FakeApi:
    """`objects` by resource and name, all in one namespace. `requests` are method and path."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Item]] = {
            "devices": {},
            "devicemodels": {},
            "devicestatuses": {},
        }
        self.requests: list[tuple[str, str]] = []
        self.patches: list[Item] = []
        self.away = False
        """Answers nothing: each request ends its connection. Watches stand."""
        self.refusals: dict[str, int] = {}
        """By DeviceStatus, the HTTP status that each change of it gets."""
        self.lock = threading.Lock()
        self.news = threading.Condition(self.lock)
        self._version = 1
        self._watchers: list[tuple[str, queue.Queue[Item | None]]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @contextlib.contextmanager
    def serving(self) -> Iterator[FakeApi]:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.end_watches()
            self._server.shutdown()
            self._server.server_close()

    # -- what a test does ------------------------------------------------------------------

    def put(self, resource: str, manifest: Mapping[str, Any], *, silently: bool = False) -> None:
        """Adds or replaces an object; `silently` tells no watcher."""
        with self.lock:
            self._version += 1
            name = manifest["metadata"]["name"]
            kind = "MODIFIED" if name in self.objects[resource] else "ADDED"
            uid = self.objects[resource].get(name, {}).get("metadata", {}).get("uid", "")
            stored = json.loads(json.dumps(manifest))
            stored["metadata"].setdefault("uid", uid or f"uid-{self._version}")
            stored["metadata"]["resourceVersion"] = str(self._version)
            self.objects[resource][name] = stored
            if not silently:
                self._tell(resource, {"type": kind, "object": stored})
            self.news.notify_all()

    def delete(self, resource: str, name: str) -> None:
        with self.lock:
            gone = self.objects[resource].pop(name)
            self._tell(resource, {"type": "DELETED", "object": gone})
            self.news.notify_all()

    def end_watches(self) -> None:
        with self.lock:
            for _, line in self._watchers:
                line.put(None)

    def status(self, name: str) -> Item:
        """The status in a DeviceStatus; empty if there is none."""
        with self.lock:
            found = self.objects["devicestatuses"].get(name, {}).get("status", {})
            return dict(found)

    def reported(self, name: str) -> dict[str, str]:
        """By property, what is reported."""
        twins = self.status(name).get("twins", [])
        return {twin["propertyName"]: twin["reported"]["value"] for twin in twins}

    def observed(self, name: str) -> dict[str, str]:
        """By property, what is confirmed of what was desired."""
        twins = self.status(name).get("twins", [])
        return {
            twin["propertyName"]: twin["observedDesired"]["value"]
            for twin in twins
            if "observedDesired" in twin
        }

    # -- what the handler does -------------------------------------------------------------

    def _tell(self, resource: str, event: Item) -> None:
        for wanted, line in self._watchers:
            if wanted == resource:
                line.put(event)

    def listed(self, resource: str) -> Item:
        with self.lock:
            return {
                "metadata": {"resourceVersion": str(self._version)},
                "items": list(self.objects[resource].values()),
            }

    def object(self, resource: str, name: str) -> Item | None:
        with self.lock:
            return self.objects[resource].get(name)

    def watch(self, resource: str) -> queue.Queue[Item | None]:
        line: queue.Queue[Item | None] = queue.Queue()
        with self.lock:
            self._watchers.append((resource, line))
        return line

    def patch(self, resource: str, name: str, body: Item) -> bool:
        with self.lock:
            if name not in self.objects[resource]:
                return False
            self.objects[resource][name] = merged(self.objects[resource][name], body)
            self.patches.append(body)
            self.news.notify_all()
            return True


def merged(into: Any, patch: Any) -> Any:
    """RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    result = dict(into) if isinstance(into, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def _handler(api: FakeApi) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, format: str, *args: object) -> None:
            """Silence."""

        def _answer(self, status: int, body: Item) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def _parts(self) -> tuple[str, str, dict[str, list[str]]]:
            """Resource, name and query."""
            split = urlsplit(self.path)
            words = split.path.removeprefix(f"{GROUP}/").split("/")
            if words[0] == "namespaces":
                words = words[2:]
            return words[0], words[1] if len(words) > 1 else "", parse_qs(split.query)

        def _body(self) -> Item:
            text = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            return json.loads(text) if text else {}

        def _refused(self, name: str = "") -> bool:
            api.requests.append((self.command, self.path))
            if api.away:
                self.close_connection = True
                return True
            if name in api.refusals:
                self._answer(api.refusals[name], {})
                return True
            return False

        def do_GET(self) -> None:
            if self._refused():
                return
            resource, name, query = self._parts()
            if name:
                found = api.object(resource, name)
                self._answer(404 if found is None else 200, found or {})
                return
            if "watch" not in query:
                self._answer(200, api.listed(resource))
                return
            line = api.watch(resource)
            self.send_response(200)
            self.send_header("Connection", "close")
            self.end_headers()
            with contextlib.suppress(OSError):
                while (event := line.get()) is not None:
                    self.wfile.write(json.dumps(event).encode() + b"\n")
                    self.wfile.flush()
            self.close_connection = True

        def do_PATCH(self) -> None:
            body = self._body()
            resource, name, _ = self._parts()
            if self._refused(name):
                return
            self._answer(200 if api.patch(resource, name, body) else 404, {})

        def do_POST(self) -> None:
            body = self._body()
            if self._refused(body["metadata"]["name"]):
                return
            resource, _, _ = self._parts()
            api.put(resource, body)
            self._answer(201, body)

    return Handler
