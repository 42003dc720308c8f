"""Downloads from web servers: resumed when interrupted; unreachable servers are tried once."""

from __future__ import annotations

import http.client
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from edge_lab.artifacts.diskspace import disk_full_as_error
from edge_lab.artifacts.model import SourceFailed
from edge_lab.core.deadline import Deadline
from edge_lab.core.step import Step

TRIES = 4
"""Connections for one file; each resumes where the previous one broke off."""
CONNECT_TRIES = 2
"""Connection attempts before the server counts as unreachable."""
STALL_SECONDS = 30.0
"""Seconds without data after which a connection counts as broken."""
CONNECT_SECONDS = 1.5
"""Time limit for the connection to an optional server, including the resolution of its name."""
HURRIED_SECONDS = 10.0
"""Like STALL_SECONDS, for a small file of such a server."""
TEXT_LIMIT = 1 << 20
"""Maximum size of a checksum file, bytes."""
_NOT_THERE = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)
_CHUNK = 1 << 20
_MIB = 1024**2

T = TypeVar("T")


class NotThere(SourceFailed):
    """The server answers, but has no such file."""


class _BrokeOff(Exception):
    """The connection ended before the file was complete."""


class Web:
    """Requests to web servers on behalf of one call, within one deadline.

    An unreachable server is not tried again, so that an offline machine waits once, not once for
    each file.
    """

    def __init__(self, deadline: Deadline, silent: dict[str, str] | None = None) -> None:
        """`silent` has earlier results of the method `silent`, by server; new ones are added."""
        self._deadline = deadline
        self._unreachable: dict[str, str] = {}
        self._silent = {} if silent is None else silent
        self._tries, self._stall = TRIES, STALL_SECONDS

    def hurried(self) -> Web:
        """The same for optional small files: tried once, with a short timeout.

        Both share the servers that are known to be unreachable.
        """
        web = Web(self._deadline)
        web._unreachable = self._unreachable
        web._tries, web._stall = 1, HURRIED_SECONDS
        return web

    def silent(self, url: str) -> str:
        """Why the server of `url` is not used: it accepts no connection within CONNECT_SECONDS.
        Empty if it does. It is tried once."""
        server = urlsplit(url).netloc
        if server not in self._silent:
            reason = _refusal_of(url)
            self._silent[server] = f"{server} cannot be reached: {reason}" if reason else ""
        return self._unreachable.get(server) or self._silent[server]

    def give_up(self, url: str, reason: str) -> None:
        """The server of that URL is not tried again, for that reason."""
        self._unreachable.setdefault(urlsplit(url).netloc, reason)

    def has(self, url: str) -> bool:
        """Whether there is a file at `url`; SourceFailed if the server does not answer."""

        def look() -> bool:
            # GET, since some servers refuse HEAD; the body is not read.
            self._open(url).close()
            return True

        try:
            return self._persist(url, look)
        except NotThere:
            return False

    def text(self, url: str) -> str | None:
        """The text at `url`, up to the maximum size; None if there is none.

        Raises:
            SourceFailed: the server does not answer.
        """

        def read() -> str:
            with self._open(url) as answer:
                return answer.read(TEXT_LIMIT).decode("utf-8", errors="replace")

        try:
            return self._persist(url, read)
        except NotThere:
            return None

    def fetch(self, url: str, target: Path, this: Step) -> None:
        """Downloads `url` to `target`, and resumes a partial `target`.

        Raises:
            SourceFailed: it cannot be downloaded; `target` has the received part.
        """
        self._persist(url, lambda: self._fetch(url, target, this))

    def _persist(self, url: str, ask: Callable[[], T]) -> T:
        server = urlsplit(url).netloc
        last = ""
        refused = 0
        for _ in range(self._tries):
            self._deadline.check(f"download {url}")
            if server in self._unreachable:
                raise SourceFailed(self._unreachable[server])
            try:
                return ask()
            except urllib.error.HTTPError as trouble:
                trouble.close()
                kind = NotThere if trouble.code in _NOT_THERE else SourceFailed
                raise kind(f"{url}: {trouble.code} {trouble.reason}") from trouble
            except (_BrokeOff, http.client.HTTPException, OSError) as trouble:
                last = str(getattr(trouble, "reason", "") or trouble) or type(trouble).__name__
                if isinstance(trouble, urllib.error.URLError):
                    refused += 1
                    if refused >= CONNECT_TRIES:
                        self._unreachable[server] = f"{server} cannot be reached: {last}"
        raise SourceFailed(
            self._unreachable.get(server) or f"{url}: broke off {self._tries} times (last: {last})"
        )

    def _open(self, url: str, start: int = 0) -> http.client.HTTPResponse:
        request = urllib.request.Request(url, headers={"User-Agent": "edge-lab"})  # noqa: S310
        if start:
            request.add_header("Range", f"bytes={start}-")
        patience = max(0.1, min(self._stall, self._deadline.remaining))
        answer: http.client.HTTPResponse = urllib.request.urlopen(  # noqa: S310
            request, timeout=patience
        )
        return answer

    def _fetch(self, url: str, target: Path, this: Step) -> None:
        have = target.stat().st_size if target.exists() else 0
        with self._open(url, have) as answer:
            if have and answer.status != HTTPStatus.PARTIAL_CONTENT:
                have = 0  # this server does not support resuming: start again
            length = int(answer.headers.get("Content-Length") or 0)
            total = have + length if length else 0
            with (
                disk_full_as_error(target.parent, length),
                target.open("ab" if have else "wb") as sink,
            ):
                while chunk := answer.read(_CHUNK):
                    self._deadline.check(f"download {url}")
                    sink.write(chunk)
                    have += len(chunk)
                    of_total = f" of {total // _MIB}" if total else ""
                    this.progress(f"{have // _MIB}{of_total} MiB", have / total if total else None)
        if total and have < total:
            raise _BrokeOff(f"{have} of {total} bytes were received")


def _refusal_of(url: str) -> str:
    """Why its server, or the proxy before it, accepts no connection in time; empty if it does.

    In a thread, since name resolution has no timeout; a resolution that is still running ends by
    itself.
    """
    address = _next_hop(url)
    answers: list[str] = []

    def connect() -> None:
        try:
            socket.create_connection(address, CONNECT_SECONDS).close()
        except (OSError, UnicodeError) as trouble:
            answers.append(str(trouble) or type(trouble).__name__)
        else:
            answers.append("")

    thread = threading.Thread(target=connect, name="connect", daemon=True)
    thread.start()
    thread.join(CONNECT_SECONDS)
    return answers[0] if answers else f"no connection within {CONNECT_SECONDS:g} s"


def _next_hop(url: str) -> tuple[str, int]:
    """Host and port to which a request for `url` connects."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    proxy = urllib.request.getproxies().get(parts.scheme, "")
    if proxy and not urllib.request.proxy_bypass(host):
        parts = urlsplit(proxy if "://" in proxy else f"//{proxy}")
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
