"""The control socket of a device: JSON lines over a Unix socket in its folder.

A request is {"op": "status" | "snapshot" | "pause" | "resume"}, or {"op": "fault", "fault": …}
with a fault as in faults.py, or null for none.  Its answer is one object with "ok": true, or
with "ok": false and "error".  Requests on several connections do not wait for each other.
Requests whose answer is a status may have "within": seconds that the device may take to read
itself.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from edge_lab.core.errors import EdgeLabError
from edge_lab.core.privatesocket import bind_private
from edge_lab.devices.faults import DeviceFault
from edge_lab.topology.protocols import ProtocolName

SOCKET = "control.sock"
MEMORY = "memory"
"""The file in a device's folder with the state of its board from a checkpoint."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DeviceStatus(_Model):
    """The status of a device."""

    name: str
    protocol: ProtocolName
    seq: int
    """Number of the current step."""
    reachable: bool
    """Whether it has just read its own values with its own protocol, over its own address."""
    trouble: str = ""
    """Why it is not reachable."""
    running: bool
    """False while it is paused."""
    clients: int
    """Open connections of clients."""
    refused: int
    """Clients refused because of their certificate."""
    fault: DeviceFault | None = None
    """Its current fault."""
    affected: int = 0
    """Answers and connections that this fault has affected since it was set, including those of
    the device's own reads: answers for slow, exceptions, junk, split and late (in OPC UA, values
    for exceptions); for the others, connections that were closed or refused, and clients that
    were refused because of their certificate."""
    answer_ms: float | None = None
    """Duration of the read of itself, ms; None if that failed."""
    frames_out: int
    frames_in: int
    boots: int = 1
    """Number of its starts since the start of its process."""
    period_ms: int = 0
    """Nominal time between two steps, ms."""
    step_ms: float | None = None
    """Mean time between steps since its fault was set or cleared, ms; None before the second."""


class DeviceSnapshot(_Model):
    """The state needed to continue from a step."""

    name: str
    plant: str
    seq: int
    time: int
    """ns since 1970."""
    state: dict[str, float]
    requested: int
    """Requested raw setpoint."""
    truth_size: int
    """Bytes of the truth log up to and including this step."""
    has_memory: bool = False
    """Whether there is additional state to save: the memory of its board (`save`)."""


Answer = Callable[[Mapping[str, Any]], Awaitable[BaseModel | None]]
"""Answers a request, or raises an error of the lab or a ValueError."""


class ControlServer:
    def __init__(self, folder: Path, answers: Mapping[str, Answer]) -> None:
        self._path = folder / SOCKET
        self._answers = answers
        self._server: asyncio.AbstractServer | None = None

    async def start(self) -> None:
        # A socket of a killed process: this process holds the UDP port, so it owns the folder.
        self._path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        bind_private(listener, self._path)
        self._server = await asyncio.start_unix_server(self._serve, sock=listener)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                writer.write(json.dumps(await self._answer(line)).encode() + b"\n")
                await writer.drain()
        except ConnectionError:
            pass
        except ValueError:  # raised by readline for lines longer than 64 KiB
            writer.write(json.dumps(_refused("the request is too long")).encode() + b"\n")
        finally:
            writer.close()

    async def _answer(self, line: bytes) -> dict[str, object]:
        try:
            request = json.loads(line)
            answer = self._answers[request["op"]]
        except (ValueError, KeyError, TypeError, RecursionError):
            known = ", ".join(self._answers)
            return _refused(f"a request is {{'op': one of {known}}}")
        try:
            result = await answer(request)
        except (EdgeLabError, ValueError, TypeError) as trouble:
            return _refused(str(trouble))
        return {"ok": True, "result": result.model_dump(mode="json") if result else None}


def _refused(why: str) -> dict[str, object]:
    return {"ok": False, "error": why}
