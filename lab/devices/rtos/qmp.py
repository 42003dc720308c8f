"""QEMU's monitor (QMP): commands and events."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable
from typing import Any

from edge_lab.core.errors import LabError

OnEvent = Callable[[str], None]


class Monitor:
    """A connection to the monitor of a QEMU, over a socket that QEMU has inherited."""

    def __init__(self, line: socket.socket, on_event: OnEvent) -> None:
        self._socket = line
        self._on_event = on_event
        self._answers: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._asking = asyncio.Lock()
        self._reading: asyncio.Task[None] | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def open(self) -> None:
        """Waits until QEMU is ready for commands; LabError if it has ended."""
        reader, self._writer = await asyncio.open_connection(sock=self._socket)
        self._reading = asyncio.create_task(self._read(reader))
        await self._answer()  # the greeting
        await self.ask("qmp_capabilities")

    async def ask(self, command: str, **arguments: object) -> Any:
        """The result of a command.

        Raises:
            LabError: it refuses the command, or has ended.
        """
        if self._writer is None:
            raise LabError("the monitor of the emulator is not open")
        asked = {"execute": command, **({"arguments": arguments} if arguments else {})}
        async with self._asking:
            self._writer.write(json.dumps(asked).encode() + b"\n")
            answer = await self._answer()
        if "error" in answer:
            raise LabError(f"the emulator refuses {command}: {answer['error'].get('desc')}")
        return answer.get("return")

    async def close(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
        if self._writer is not None:
            self._writer.close()
        else:
            self._socket.close()

    async def _answer(self) -> dict[str, Any]:
        answer = await self._answers.get()
        if not answer:
            self._answers.put_nowait({})  # for the next caller, too
            raise LabError("the emulator has ended")
        return answer

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while line := await reader.readline():
                said = json.loads(line)
                if "event" in said:
                    self._on_event(said["event"])
                else:
                    self._answers.put_nowait(said)
        except (OSError, ValueError):
            pass
        self._answers.put_nowait({})
