"""HTTPS to one API server: connections that are kept, and requests that end by their deadline.

The timeouts of HTTP clients hold for each read from the socket, so that a server that sends now
and then a byte is waited for without end. Here the time left is looked at before every read.
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
"""The most that an answer takes on a connection that was used before. The peer of a kept
connection may be gone without a word (its power was cut), and then a new one answers."""

IDLE_SECONDS = 60.0
"""A connection without requests for so long is not used again."""

CONNECTIONS = 16
"""More threads than that wait for each other."""

AGAIN = 10
"""So often a request is repeated that the API server wants repeated (Retry-After)."""

APPLY = "application/apply-patch+yaml"

TROUBLE = (httpcore2.TimeoutException, httpcore2.NetworkError, httpcore2.ProtocolError)

SocketOptions = Iterable[Any]


class BoundedStream(httpcore2.NetworkStream):
    """A connection whose every read and write ends when `remaining` says so."""

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
    """Makes such connections."""

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
    """One request on its way, and when it must have been answered."""

    deadline: Deadline
    kept: Deadline | None
    """The sooner moment that holds on a connection that was used before."""
    fresh: bool = False
    """It has a connection of its own."""

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
    """The requests of this thread in the block end by `deadline`."""
    token = _limit.set(deadline)
    try:
        yield
    finally:
        _limit.reset(token)


@dataclass
class _Connections:
    """A pool of connections, and how many requests are on them now."""

    pool: httpcore2.ConnectionPool
    users: int = 0
    retired: bool = False


class ApiTransport(httpx2.BaseTransport):
    """Carries out requests within `until`, whole answers at a time.

    Raises:
        KubectlError: there is no answer: no connection, broken off, not in time.
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
                    # Others that were kept are as old as this one.
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
        """Whoever uses them still may; nobody else will."""
        with self._lock:
            connections.retired = True
            if self._connections is connections:
                self._connections = self._new()

    def close(self) -> None:
        """Ends its connections; those that others wait for an answer on, when it is there."""
        with self._using() as connections:
            self._retire(connections)


@dataclass
class WatchTransport(httpx2.BaseTransport):
    """Streams answers, and can be ended by another thread at any time.

    Raises:
        KubectlError: there is no answer, or it is broken off.
        StatusError: the answer is an error, and not to come again soon (Retry-After).
    """

    context: ssl.SSLContext
    silence: float
    """Seconds without a byte after which the peer is taken to be gone."""
    _streams: list[httpcore2.NetworkStream] = field(default_factory=list)
    _closed: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._pool = _pool(self.context, BoundedBackend(lambda: self.silence), 1)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.params.get("watch"):
            # With them, a watch of what seldom changes knows how far it has come.
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
        """Breaks off what is read from right now."""
        with self._lock:
            self._closed.set()
            streams = tuple(self._streams)
        for stream in streams:
            with contextlib.suppress(OSError):
                # The method of a plain socket: that of TLS would take the other thread's
                # connection from under it.
                socket.socket.shutdown(stream.get_extra_info("socket"), socket.SHUT_RDWR)

    def close(self) -> None:
        self._pool.close()


class _Streamed(httpx2.SyncByteStream):
    """The body of an answer as it comes."""

    def __init__(self, answer: httpcore2.Response, request: httpx2.Request) -> None:
        self._answer = answer
        self._what = f"{request.method} {request.url.path}"

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._answer.iter_stream()
        except TROUBLE as trouble:
            raise KubectlError(f"{self._what}: broken off: {trouble!r}") from trouble

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
    # A loopback needs no compression, and an emulated server has better things to do.
    request.headers["Accept-Encoding"] = "identity"
    if request.headers.get("Content-Type") == APPLY:
        # As kubectl: a field that the API server does not know is an error.
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
