"""The control socket: answers requests between two batches of frames."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from edge_lab.core.errors import EdgeLabError, InputError, LabError
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

LONGEST_REQUEST = 1 << 24
"""Bytes of one line; a snapshot of a hundred links has some 50 KB, but a half-open direction
may know connections of another 100 KB."""


def answer(forwarder: Forwarder, line: bytes) -> bytes:
    """Does what one line asks for; the line to send back. Never raises for what it says."""
    try:
        reply = Answer(result=_do(forwarder, _parse(line)))
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


def _do(forwarder: Forwarder, request: Request) -> Any:
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
            return forwarder.capture_start(request.link, request.path)
        case CaptureStop():
            return str(forwarder.capture_stop(request.link))
        case Snapshot():
            return forwarder.snapshot().model_dump(mode="json")
        case Load():
            return forwarder.load(request.snapshot)


class Connection:
    """One client: what it has said so far, and what it has not yet taken."""

    def __init__(self, peer: socket.socket) -> None:
        self.peer = peer
        self._heard = b""
        self._unsaid = b""

    @property
    def has_more_to_say(self) -> bool:
        return bool(self._unsaid)

    def serve(self, respond: Callable[[bytes], bytes]) -> bool:
        """Reads and answers what is there; False once the client is gone."""
        try:
            if not self._hear(respond):
                return False
            if self._unsaid:
                self._unsaid = self._unsaid[self.peer.send(self._unsaid) :]
        except BlockingIOError:
            pass
        except OSError:
            return False
        return True

    def _hear(self, respond: Callable[[bytes], bytes]) -> bool:
        try:
            heard = self.peer.recv(65_536)
        except BlockingIOError:
            return True
        if not heard:
            return False
        self._heard += heard
        *lines, self._heard = self._heard.split(b"\n")
        for line in lines:
            self._unsaid += respond(line)
        return len(self._heard) <= LONGEST_REQUEST


def listen(path: Path) -> socket.socket:
    """A listening socket at `path`; a dead one that lies there is cleared away.

    Raises:
        LabError: a live fabric has it, or it cannot be made.
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
                    remedy="Take that lab down first, or give this fabric another socket.",
                )
    server = socket.socket(
        socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
    )
    before = os.umask(0o177)
    try:
        server.bind(str(path))
    except OSError as trouble:
        server.close()
        raise LabError(
            f"cannot make the control socket {path}: {trouble.strerror or trouble}",
            remedy="Name a path of at most 107 bytes in a folder that exists.",
        ) from trouble
    finally:
        os.umask(before)
    server.listen()
    return server
