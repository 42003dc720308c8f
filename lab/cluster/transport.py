"""HTTPS to an API server: persistent connections, and requests that end by their deadline.

The timeouts of HTTP clients apply to each read from the socket, so a server that sends a byte from
time to time could delay them without limit. Here the remaining time is checked before each read.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import httpcore2
import httpx2

from edge_lab.cluster.errors import KubectlError, StatusError
from edge_lab.core.deadline import Deadline

KEPT_SECONDS = 20.0
"""Time limit in seconds for an answer on a reused connection. Its peer may be gone silently (after
a loss of power); then the request is repeated on a new connection."""

IDLE_SECONDS = 60.0
"""Seconds without requests after which a connection is not reused."""

CONNECTIONS = 16
"""Maximum number of connections; further threads wait."""

AGAIN = 10
"""Maximum number of retries that the API server requests (Retry-After)."""

APPLY = "application/apply-patch+yaml"

TROUBLE = (httpcore2.TimeoutException, httpcore2.NetworkError, httpcore2.ProtocolError)

SocketOptions = Iterable[Any]


class BoundedStream(httpcore2.NetworkStream):
    """A connection whose reads and writes end when `remaining` seconds are over."""

    def __init__(self, inner: httpcore2.NetworkStream, remaining: Callable[[], float]) -> None:
        self._inner = inner
        self._remaining = remaining

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _left(self._remaining, httpcore2.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, _left(self._remaining, httpcore2.WriteTimeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore2.NetworkStream:
        left = _left(self._remaining, httpcore2.ConnectTimeout)
        tls = self._inner.start_tls(ssl_context, server_hostname, left)
        return BoundedStream(tls, self._remaining)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class BoundedBackend(httpcore2.NetworkBackend):
    """Creates such connections."""

    def __init__(self, remaining: Callable[[], float]) -> None:
        self._inner = httpcore2.SyncBackend()
        self._remaining = remaining

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: SocketOptions | None = None,
    ) -> httpcore2.NetworkStream:
        left = _left(self._remaining, httpcore2.ConnectTimeout)
        made = self._inner.connect_tcp(host, port, left, local_address, socket_options)
        return BoundedStream(made, self._remaining)


@dataclass
class Exchange:
    """A pending request and its time limits."""

    deadline: Deadline
    kept: Deadline | None
    """The earlier limit, for a reused connection."""
    fresh: bool = False
    """Whether it has a new connection."""

    @property
    def remaining(self) -> float:
        limit = self.deadline if self.fresh or self.kept is None else self.kept
        return limit.remaining

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        if event == "connection.connect_tcp.started":
            self.fresh = True


_exchange: ContextVar[Exchange] = ContextVar("exchange")
_limit: ContextVar[Deadline] = ContextVar("limit")


@contextlib.contextmanager
def until(deadline: Deadline) -> Iterator[None]:
    """Within the block, requests of this thread end by `deadline`."""
    token = _limit.set(deadline)
    try:
        yield
    finally:
        _limit.reset(token)


@dataclass
class _Connections:
    """A pool of connections, with the number of its current requests."""

    pool: httpcore2.ConnectionPool
    users: int = 0
    retired: bool = False


class ApiTransport(httpx2.BaseTransport):
    """Executes requests within `until`, and reads complete answers.

    Raises:
        KubectlError: no answer: no connection, a lost connection, or a timeout.
        StatusError: the answer is an error.
    """

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        self._lock = threading.Lock()
        self._connections = self._new()

    def _new(self) -> _Connections:
        backend = BoundedBackend(lambda: _exchange.get().remaining)
        return _Connections(_pool(self._context, backend, CONNECTIONS))

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        deadline = _limit.get()
        exchange = Exchange(deadline, deadline.within(KEPT_SECONDS))
        with self._using() as connections:
            try:
                return _carried_out(connections.pool, request, exchange)
            except TROUBLE as trouble:
                if not exchange.fresh:
                    # Other reused connections are just as old.
                    self._retire(connections)
                if exchange.fresh or deadline.expired:
                    raise _no_answer(request, deadline, trouble) from trouble
        exchange = Exchange(deadline, None)
        with self._using() as connections:
            try:
                return _carried_out(connections.pool, request, exchange)
            except TROUBLE as trouble:
                raise _no_answer(request, deadline, trouble) from trouble

    @contextlib.contextmanager
    def _using(self) -> Iterator[_Connections]:
        with self._lock:
            connections = self._connections
            connections.users += 1
        try:
            yield connections
        finally:
            with self._lock:
                connections.users -= 1
                unused = connections.retired and not connections.users
            if unused:
                connections.pool.close()

    def _retire(self, connections: _Connections) -> None:
        """Discards the pool for new requests; pending ones continue."""
        with self._lock:
            connections.retired = True
            if self._connections is connections:
                self._connections = self._new()

    def close(self) -> None:
        """Closes the connections; those with pending requests after the answers."""
        with self._using() as connections:
            self._retire(connections)


@dataclass
class WatchTransport(httpx2.BaseTransport):
    """Streams answers; another thread can end it at any time.

    Raises:
        KubectlError: there is no answer, or the connection was lost.
        StatusError: the answer is an error without a requested retry (Retry-After).
    """

    context: ssl.SSLContext
    silence: float
    """Seconds without data after which the peer counts as gone."""
    _streams: list[httpcore2.NetworkStream] = field(default_factory=list)
    _closed: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._pool = _pool(self.context, BoundedBackend(lambda: self.silence), 1)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.params.get("watch"):
            # With bookmarks, a watch on objects that rarely change has a recent version.
            request.url = request.url.copy_merge_params({"allowWatchBookmarks": "true"})
        for left in reversed(range(AGAIN + 1)):
            if self._closed.is_set():
                raise KubectlError("the watch is closed")
            try:
                return self._carried_out(request)
            except StatusError as trouble:
                wait = trouble.retry_after
                if wait is None or wait > self.silence or not left:
                    raise
                self._closed.wait(wait)
        raise AssertionError  # the last one returns or raises

    def _carried_out(self, request: httpx2.Request) -> httpx2.Response:
        try:
            answer = self._pool.handle_request(_plain(request, {"trace": self._trace}))
            if answer.status >= 400:
                try:
                    body = answer.read()
                finally:
                    answer.close()
                raise _status_error(request, answer, body)
        except TROUBLE as trouble:
            raise KubectlError(f"{request.method} {request.url.path}: {trouble!r}") from trouble
        return httpx2.Response(
            answer.status, headers=answer.headers, stream=_Streamed(answer, request)
        )

    def _trace(self, event: str, info: Mapping[str, Any]) -> None:
        if event.endswith((".connect_tcp.complete", ".start_tls.complete")):
            with self._lock:
                self._streams = [info["return_value"]]
                closed = self._closed.is_set()
            if closed:
                self.sever()

    def sever(self) -> None:
        """Aborts the current read."""
        with self._lock:
            self._closed.set()
            streams = tuple(self._streams)
        for stream in streams:
            with contextlib.suppress(OSError):
                # The method of the plain socket: that of TLS would change the connection under the
                # reading thread.
                socket.socket.shutdown(stream.get_extra_info("socket"), socket.SHUT_RDWR)

    def close(self) -> None:
        self._pool.close()


class _Streamed(httpx2.SyncByteStream):
    """The body of an answer, as it arrives."""

    def __init__(self, answer: httpcore2.Response, request: httpx2.Request) -> None:
        self._answer = answer
        self._what = f"{request.method} {request.url.path}"

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._answer.iter_stream()
        except TROUBLE as trouble:
            raise KubectlError(f"{self._what}: connection lost: {trouble!r}") from trouble

    def close(self) -> None:
        self._answer.close()


def _pool(
    context: ssl.SSLContext, backend: BoundedBackend, connections: int
) -> httpcore2.ConnectionPool:
    return httpcore2.ConnectionPool(
        ssl_context=context,
        max_connections=connections,
        max_keepalive_connections=connections,
        keepalive_expiry=IDLE_SECONDS,
        network_backend=backend,
    )


def _left(remaining: Callable[[], float], expired: type[Exception]) -> float:
    left = remaining()
    if left <= 0:
        raise expired("time is up")
    return left


def _plain(request: httpx2.Request, extensions: dict[str, Any]) -> httpcore2.Request:
    # Compression is useless on loopback, and expensive on an emulated server.
    request.headers["Accept-Encoding"] = "identity"
    if request.headers.get("Content-Type") == APPLY:
        # As in kubectl: unknown fields are an error.
        request.url = request.url.copy_merge_params({"fieldValidation": "Strict"})
    return httpcore2.Request(
        method=request.method,
        url=httpcore2.URL(
            scheme=request.url.raw_scheme,
            host=request.url.raw_host,
            port=request.url.port,
            target=request.url.raw_path,
        ),
        headers=request.headers.raw,
        content=request.content,
        extensions=extensions,
    )


def _carried_out(
    pool: httpcore2.ConnectionPool, request: httpx2.Request, exchange: Exchange
) -> httpx2.Response:
    token = _exchange.set(exchange)
    extensions = {
        "trace": exchange.trace,
        "timeout": {"pool": max(exchange.deadline.remaining, 0.001)},
    }
    try:
        answer = pool.handle_request(_plain(request, extensions))
        try:
            body = answer.read()
        finally:
            answer.close()
    finally:
        _exchange.reset(token)
    if answer.status >= 400:
        raise _status_error(request, answer, body)
    return httpx2.Response(answer.status, headers=answer.headers, content=body)


def _status_error(request: httpx2.Request, answer: httpcore2.Response, body: bytes) -> StatusError:
    headers = {name.decode().lower(): value.decode("latin-1") for name, value in answer.headers}
    return StatusError(f"{request.method} {request.url.path}", answer.status, body, headers)


def _no_answer(request: httpx2.Request, deadline: Deadline, trouble: Exception) -> KubectlError:
    what = f"{request.method} {request.url.path}"
    if isinstance(trouble, httpcore2.TimeoutException):
        return KubectlError(f"{what}: no answer within {deadline.total:.0f} s")
    return KubectlError(f"{what}: {trouble or type(trouble).__name__}")
