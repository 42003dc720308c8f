"""The inference server of a node: plain HTTP on loopback, and on the server node mutual TLS.

GET  /healthz                        200 if it answers
GET  /v1/models                      what is loaded, by model
POST /v1/models/NAME/infer           {"inputs": [[…]]}, by the version that serves
POST /v1/models/NAME/evaluate        the same by any version: {"digest": "sha256:…", …}
POST /v1/models/NAME/reload          serves what the state says
"""

from __future__ import annotations

import json
import logging
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from .config import Config, TlsConfig
from .engine import Engine, Load, Loaded, Unloadable, load_onnx
from .store import NoSpace, Store

log = logging.getLogger("serve")

MOST_BYTES = 1024 * 1024
IDLE_SECONDS = 60.0
"""A connection without a request for this time is closed."""
LOOK_SECONDS = 1.0
"""How often states are compared with what serves, whether the agent asks for it or not."""
READ_ONLY = frozenset({"infer"})
"""What may be asked for over TLS, from other nodes."""


class Server:
    """Engines by model; a model exists when its folder does."""

    def __init__(self, config: Config, load: Load = load_onnx) -> None:
        self._config, self._load = config, load
        self._engines: dict[str, Engine] = {}
        self._lock = threading.Lock()

    def engine(self, model: str) -> Engine | None:
        with self._lock:
            if model not in self._engines:
                if not model or "/" in model or not self._config.model(model).is_dir():
                    return None
                self._engines[model] = Engine(Store(self._config.model(model)), self._load)
            return self._engines[model]

    def look(self) -> None:
        """Serves what the states say."""
        folder = self._config.folder / "models"
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            try:
                engine = self.engine(path.name)
                if engine is not None:
                    engine.reload()
            except (Unloadable, NoSpace, ValueError, KeyError, OSError) as trouble:
                log.warning("%s: %s", path.name, trouble)

    def serving(self) -> dict[str, Any]:
        with self._lock:
            engines = dict(self._engines)
        return {
            name: asdict(engine.serving.version)
            for name, engine in engines.items()
            if engine.serving is not None
        }

    # -- ports -----------------------------------------------------------------------------------

    def start(self) -> list[ThreadingHTTPServer]:
        """Listens on all its ports, in threads."""
        self.look()
        servers = [_listen(self, self._config.host, self._config.port)]
        if self._config.tls is not None:
            servers.append(_listen_tls(self, self._config.tls))
        for server in servers:
            threading.Thread(target=server.serve_forever, daemon=True).start()
        return servers

    def run(self) -> None:
        self.start()
        while True:
            time.sleep(LOOK_SECONDS)
            self.look()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS
    # Otherwise the kernel holds back the second of two small writes.
    disable_nagle_algorithm = True
    wbufsize = -1
    ours: Server
    asked_for: frozenset[str] | None = None
    """What may be asked for; everything if None."""

    def do_GET(self) -> None:
        if self.path == "/healthz":
            self._say(200, {"ok": True})
        elif self.path == "/v1/models":
            self._say(200, self.ours.serving())
        else:
            self._say(404, {"error": "no such path"})

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > MOST_BYTES:
            self.close_connection = True
            self._say(411, {"error": "no length, or too much"})
            return
        body = self.rfile.read(int(length))
        parts = self.path.strip("/").split("/")
        if len(parts) != 4 or parts[:2] != ["v1", "models"]:
            self._say(404, {"error": "no such path"})
            return
        if self.asked_for is not None and parts[3] not in self.asked_for:
            self._say(403, {"error": "only on the node itself"})
            return
        engine = self.ours.engine(parts[2])
        try:
            found = json.loads(body or b"{}")
            if engine is None or not isinstance(found, dict):
                self._say(404 if engine is None else 400, {"error": "no such model"})
            elif parts[3] == "reload":
                engine.reload()
                self._say(200, {})
            elif parts[3] == "infer":
                self._infer(engine.serving, found)
            elif parts[3] == "evaluate":
                self._infer(engine.version(str(found.get("digest"))), found)
            else:
                self._say(404, {"error": "no such path"})
        except Unloadable as trouble:
            self._say(422, {"error": str(trouble)})
        except (ValueError, TypeError, KeyError) as trouble:
            self._say(400, {"error": str(trouble)[:300]})
        except Exception as trouble:  # noqa: BLE001 - of the runtime: it has errors of many kinds
            log.warning("%s: %r", self.path, trouble)
            self._say(500, {"error": repr(trouble)[:300]})

    def _infer(self, loaded: Loaded | None, found: Mapping[str, Any]) -> None:
        if loaded is None:
            self._say(503, {"error": "no version serves yet"})
            return
        outputs = loaded.infer(found["inputs"])
        self._say(200, {**asdict(loaded.version), "outputs": outputs})

    def _say(self, status: int, content: Mapping[str, Any]) -> None:
        text = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are in the feed's journal."""


class _Tls(ThreadingHTTPServer):
    context: ssl.SSLContext

    def finish_request(self, request: Any, client_address: Any) -> None:
        """In the connection's own thread: a slow handshake keeps nobody else waiting."""
        request.settimeout(IDLE_SECONDS)
        try:
            with self.context.wrap_socket(request, server_side=True) as wrapped:
                super().finish_request(wrapped, client_address)
        except (OSError, ssl.SSLError) as trouble:
            log.info("%s: %s", client_address[0], trouble)


def _listen(server: Server, host: str, port: int) -> ThreadingHTTPServer:
    found = ThreadingHTTPServer((host, port), type("Local", (_Handler,), {"ours": server}))
    found.daemon_threads = True
    return found


def _listen_tls(server: Server, tls: TlsConfig) -> ThreadingHTTPServer:
    own = {"ours": server, "asked_for": READ_ONLY}
    found = _Tls((tls.host, tls.port), type("Remote", (_Handler,), own))
    found.daemon_threads = True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(tls.authority)
    context.load_cert_chain(tls.certificate, tls.key)
    found.context = context
    return found
