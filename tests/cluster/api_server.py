"""A small API server for tests: HTTPS with client certificates, and answers that a test gives."""

from __future__ import annotations

import contextlib
import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from edge_lab.pki.authority import Authority, CertificateSpec, Usage
from edge_lab.stacks.kubeconfig import kubeconfig

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Answer:
    """What the server says to one request, and how well it manages to."""

    body: Any = None
    code: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    wait: Callable[[], object] = lambda: None
    """Called before the answer."""
    breaks_off: bool = False
    """Half of the body comes, and the connection ends."""
    trickles: bool = False
    """A byte now and then, without end."""
    events: Sequence[Any] | None = None
    """A watch: these lines, and then the answer ends in good order."""
    stays: threading.Event | None = None
    """A watch: it does not end before this is set."""

    @property
    def text(self) -> bytes:
        return self.body.encode() if isinstance(self.body, str) else json.dumps(self.body).encode()


def status(code: int, reason: str = "", **details: str) -> Answer:
    """An error as the API server words it."""
    body = {"kind": "Status", "reason": reason, "message": f"it says {code}", "details": details}
    return Answer(body, code)


def not_found(name: str) -> Answer:
    return status(404, "NotFound", name=name)


NO_SUCH_PATH = Answer("404 page not found", 404, {"Content-Type": "text/plain"})
NODES = "GET /api/v1/nodes"
"""A request for all nodes, as an `ApiServer` is told what to answer to it."""
TWO = Answer({"items": [{"metadata": {"name": "a"}}, {"metadata": {"name": "b"}}]})
NONE = Answer({"items": []})
"""Lists of two objects, and of none."""


@dataclass(frozen=True)
class Asked:
    """One request that came."""

    method: str
    path: str
    query: dict[str, list[str]]
    content_type: str
    body: Any
    connection: int


class ApiServer:
    """Answers by method and path; the last answer of several stays."""

    def __init__(self, folder: Path) -> None:
        self.asked: list[Asked] = []
        self.connections = 0
        self.authority = Authority.create("tests")
        self._folder = folder
        self._answers: dict[str, list[Answer]] = {}
        self._frozen: set[int] = set()
        self._thaw = threading.Event()
        self._lock = threading.Lock()
        self._server: _Server | None = None
        self.port = 0

    # -- life --------------------------------------------------------------------------------

    def start(self, authority: Authority | None = None) -> None:
        """On the port that it had before, if any; with a certificate of `authority`."""
        issuer = authority or self.authority
        spec = CertificateSpec("server", addresses=(IPv4Address(LOOPBACK),), usages=(Usage.SERVER,))
        pem = self._folder / "server.pem"
        pem.write_bytes(issuer.issue(spec).combined_pem)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=self.authority.certificate_pem.decode())
        self._server = _Server((LOOPBACK, self.port), _handler(self), context)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """As a process that is killed: all its connections end."""
        self._thaw.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server.cut()
            self._server = None

    def freeze(self) -> None:
        """The connections that there are go silent, as those of a host without power."""
        with self._lock:
            self._frozen = set(range(1, self.connections + 1))

    def kubeconfig(self, issuer: Authority | None = None) -> Path:
        """Of a client whose certificate is by `issuer`, or one that the server knows."""
        user = (issuer or self.authority).issue(CertificateSpec("admin"))
        path = self._folder / "kubeconfig"
        url = f"https://{LOOPBACK}:{self.port}"
        path.write_text(
            kubeconfig(url, ca_pem=self.authority.certificate_pem, identity=user), encoding="utf-8"
        )
        return path

    # -- answers -----------------------------------------------------------------------------

    def answer(self, request: str, *answers: Answer) -> None:
        """To `request`, such as `GET /api/v1/nodes`, or `WATCH` of the same."""
        self._answers[request] = list(answers)

    def accepted(self) -> int:
        with self._lock:
            self.connections += 1
            return self.connections

    def answer_to(self, asked: Asked) -> Answer:
        if asked.connection in self._frozen:
            self._thaw.wait()
        with self._lock:
            self.asked.append(asked)
            verb = "WATCH" if "watch" in asked.query else asked.method
            answers = self._answers.get(f"{verb} {asked.path}", [NO_SUCH_PATH])
            return answers.pop(0) if len(answers) > 1 else answers[0]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: Any, handler: Any, context: ssl.SSLContext) -> None:
        self.open: set[Any] = set()
        self._context = context
        super().__init__(address, handler)

    def finish_request(self, request: Any, client_address: Any) -> None:
        # In the connection's thread: a handshake holds up nobody else.
        with contextlib.suppress(OSError):
            tls = self._context.wrap_socket(request, server_side=True)
            self.open.add(tls)
            try:
                super().finish_request(tls, client_address)
            finally:
                self.open.discard(tls)
                tls.close()

    def cut(self) -> None:
        for connection in tuple(self.open):
            with contextlib.suppress(OSError):
                connection.shutdown(2)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away."""


def _handler(api: ApiServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            self.number = api.accepted()

        def handle_one_request(self) -> None:
            self.raw_requestline = self.rfile.readline(65537)
            if not self.raw_requestline or not self.parse_request():
                self.close_connection = True
                return
            self._answer(api.answer_to(self._asked()))

        def _asked(self) -> Asked:
            parts = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            query = parse_qs(parts.query)
            kind = self.headers.get("Content-Type", "")
            return Asked(self.command, parts.path, query, kind, body, self.number)

        def _answer(self, answer: Answer) -> None:
            answer.wait()
            text = answer.text
            self.send_response(answer.code)
            for name, value in {"Content-Type": "application/json", **answer.headers}.items():
                self.send_header(name, value)
            if answer.events is not None:
                self._events(answer)
                return
            missing = 1_000_000 if answer.trickles else int(answer.breaks_off)
            self.send_header("Content-Length", str(len(text) + missing))
            self.end_headers()
            if answer.trickles:
                self._trickle()
            self.wfile.write(text)
            self.close_connection = self.close_connection or answer.breaks_off

        def _trickle(self) -> None:
            with contextlib.suppress(OSError):
                while not api._thaw.wait(0.05):
                    self.wfile.write(b" ")

        def _events(self, answer: Answer) -> None:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for event in answer.events or ():
                line = json.dumps(event).encode() + b"\n"
                self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
            if answer.stays is not None:
                answer.stays.wait()
            if answer.breaks_off:
                self.close_connection = True
                return
            self.wfile.write(b"0\r\n\r\n")

        def log_message(self, format: str, *args: Any) -> None:
            """Not at all."""

    return Handler


@contextlib.contextmanager
def running(folder: Path) -> Iterator[ApiServer]:
    server = ApiServer(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()
