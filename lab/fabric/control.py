"""The control socket: requests are answered between two batches of frames."""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from edge_lab.core.errors import EdgeLabError, InputError, LabError
from edge_lab.core.privatesocket import bind_private
from edge_lab.fabric.feed import CaptureFeed
from edge_lab.fabric.forwarder import Forwarder
from edge_lab.fabric.protocol import (
    REQUEST,
    Answer,
    CaptureStart,
    CaptureStop,
    Heal,
    Links,
    Load,
    Ping,
    Pong,
    Request,
    Reseed,
    Set,
    Snapshot,
    Trouble,
)

Capture = Callable[[str, str], CaptureFeed]
"""Turns the requesting connection into the feed of a capture: link name, destination."""

LONGEST_REQUEST = 1 << 24
"""Maximum length of a line, bytes; a snapshot of a hundred links has about 50 KB, but the
connections of a half-open direction may need another 100 KB."""


def answer(forwarder: Forwarder, line: bytes, capture: Capture) -> bytes:
    """Executes one request line and returns the answer line. Never raises for invalid input."""
    try:
        reply = Answer(result=_do(forwarder, _parse(line), capture))
    except EdgeLabError as error:
        reply = Answer(trouble=Trouble.of(error))
    return reply.model_dump_json().encode() + b"\n"


def _parse(line: bytes) -> Request:
    try:
        return REQUEST.validate_json(line)
    except ValidationError as trouble:
        first = trouble.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InputError(
            f"the fabric does not understand the request: {where + ': ' if where else ''}"
            f"{first['msg']}"
        ) from trouble


def _do(forwarder: Forwarder, request: Request, capture: Capture) -> Any:
    match request:
        case Ping():
            return Pong(pid=os.getpid(), links=len(forwarder.status())).model_dump()
        case Links():
            return [link.model_dump(mode="json") for link in forwarder.status()]
        case Set():
            return forwarder.set(request.link, request.tx, request.rx).model_dump(mode="json")
        case Heal():
            return forwarder.heal(request.link)
        case Reseed():
            return forwarder.reseed(request.seed)
        case CaptureStart():
            return forwarder.capture_start(capture(request.link, request.to))
        case CaptureStop():
            return forwarder.capture_stop(request.link)
        case Snapshot():
            return forwarder.snapshot().model_dump(mode="json")
        case Load():
            return forwarder.load(request.snapshot)


class Connection:
    """One client connection, with its unprocessed input and unsent output.

    After a request for a capture the connection carries the capture; further input is ignored.
    """

    def __init__(
        self, peer: socket.socket, forwarder: Forwarder, changed: Callable[[Connection], None]
    ) -> None:
        """`changed` is called when `interest` may have changed outside of `serve`."""
        self.peer = peer
        self._forwarder = forwarder
        self._changed = changed
        self._heard = b""
        self._unsaid = b""
        self._capture: CaptureFeed | None = None
        self._hung_up = False

    @property
    def interest(self) -> int:
        """The epoll(7) events for which `serve` must be called; 0 when the connection is done."""
        if self._capture is None:
            return select.EPOLLIN | (select.EPOLLOUT if self._unsaid else 0)
        if self._capture.done:
            return 0
        hears = 0 if self._hung_up else select.EPOLLIN
        return hears | (select.EPOLLOUT if self._capture.waits else 0)

    def serve(self) -> None:
        """Reads the available input and answers it."""
        try:
            alive = self._hung_up or self._hear()
            if self._unsaid and self._capture is None:
                self._unsaid = self._unsaid[self.peer.send(self._unsaid) :]
        except BlockingIOError:
            alive = True
        except OSError:
            alive = False
        if self._capture is not None:
            if not alive and not self._hung_up:
                # The client may have shut down only its own side, and wait for the rest.
                self._hung_up = True
                self._forwarder.capture_end(self._capture)
            self._capture.flush()
        elif not alive:
            self._hung_up = True

    @property
    def over(self) -> bool:
        return self._hung_up if self._capture is None else self._capture.done

    def close(self) -> None:
        if self._capture is not None:
            self._forwarder.capture_end(self._capture)
        self.peer.close()

    def _hear(self) -> bool:
        """False after the client has shut down its side."""
        try:
            heard = self.peer.recv(65_536)
        except BlockingIOError:
            return True
        if not heard:
            return False
        if self._capture is not None:
            return True
        self._heard += heard
        *lines, self._heard = self._heard.split(b"\n")
        for line in lines:
            said = answer(self._forwarder, line, self._captured)
            if self._capture is not None:
                self._capture.begin(self._unsaid + said)
                break
            self._unsaid += said
        return len(self._heard) <= LONGEST_REQUEST

    def _captured(self, link: str, to: str) -> CaptureFeed:
        self._forwarder.port(link)
        self._capture = CaptureFeed(self.peer, link, to, lambda: self._changed(self))
        return self._capture


def listen(path: Path) -> socket.socket:
    """A listening socket at `path`, for its owner only; a stale one is removed first.

    Raises:
        LabError: another running fabric uses it, or it cannot be created.
    """
    if path.is_socket():
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            try:
                probe.connect(str(path))
            except OSError:
                path.unlink(missing_ok=True)
            else:
                raise LabError(
                    f"another fabric listens at {path}",
                    remedy="Stop that lab with `lab down`, or give this fabric another socket.",
                )
    server = socket.socket(
        socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
    )
    try:
        bind_private(server, path)
    except OSError as trouble:
        server.close()
        raise LabError(
            f"cannot create the control socket {path}: {trouble.strerror or trouble}",
            remedy="Use a path of at most 107 bytes in an existing folder.",
        ) from trouble
    server.listen()
    return server
