"""Reads a device by Modbus TCP, and requests an inference for each of its steps.

Each request is a line of the journal, with its answer or the reason why there is none:

    {"what": "request", "seq": 17, "time": 1700000000.5, "inputs": [651, …], "ok": true,
     "tag": "2", "digest": "sha256:…", "output": 653.1, "ms": 4.2}
"""

from __future__ import annotations

import logging
import socket
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from .client import Answer, NoAnswer
from .config import FeedConfig, Register
from .store import Journal

log = logging.getLogger("feed")

HEADER = struct.Struct(">HHHBBHH")
READ_HOLDING = 3
SILENT_SECONDS = 5.0
SEQUENCE = 0
"""Register of the step's number, a uint32."""


class NoDevice(Exception):
    """The device gave no answer, or a wrong one."""


@dataclass
class Device:
    """One connection to a Modbus TCP device."""

    host: str
    port: int
    unit: int
    _socket: socket.socket | None = None
    _number: int = 0

    def read(self, count: int) -> tuple[int, ...]:
        """The first `count` holding registers, in one request. Raises NoDevice."""
        try:
            if self._socket is None:
                self._socket = socket.create_connection((self.host, self.port), SILENT_SECONDS)
            self._number = (self._number + 1) % 0x10000
            self._socket.sendall(
                HEADER.pack(self._number, 0, 6, self.unit, READ_HOLDING, SEQUENCE, count)
            )
            number, _, length = struct.unpack(">HHH", self._receive(6))
            body = self._receive(length)
        except OSError as trouble:
            self.close()
            raise NoDevice(repr(trouble)) from trouble
        if number != self._number or body[1:3] != bytes((READ_HOLDING, 2 * count)):
            self.close()
            raise NoDevice(f"a wrong answer: {body[:16].hex()}")
        return struct.unpack(f">{count}H", body[3 : 3 + 2 * count])

    def _receive(self, count: int) -> bytes:
        found = b""
        assert self._socket is not None
        while len(found) < count:
            chunk = self._socket.recv(count - len(found))
            if not chunk:
                raise ConnectionResetError("closed by the device")
            found += chunk
        return found

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def value_of(block: Sequence[int], one: Register) -> float:
    """The raw number of a point in the block."""
    first = block[one.register]
    if one.kind == "uint16":
        return float(first)
    number = first << 16 | block[one.register + 1]
    return float(number - 2**32 if one.kind == "int32" and number >= 2**31 else number)


def block_size(inputs: Sequence[Register]) -> int:
    return max(one.register + (1 if one.kind == "uint16" else 2) for one in inputs)


@dataclass
class Feed:
    config: FeedConfig
    read: Callable[[int], Sequence[int]]
    infer: Callable[[str, Sequence[Sequence[float]]], Answer]
    journal: Journal
    clock: Callable[[], float] = time.time
    last: int | None = None
    _quiet: str = field(default="", init=False)

    def look(self) -> bool:
        """Whether there was a new step."""
        try:
            block = self.read(block_size(self.config.inputs))
        except NoDevice as trouble:
            if str(trouble) != self._quiet:
                self._quiet = str(trouble)
                self.journal.add(what="no device", time=self.clock(), message=str(trouble))
            return False
        self._quiet = ""
        seq = block[0] << 16 | block[1]
        if seq == self.last:
            return False
        self.last = seq
        inputs = [value_of(block, one) for one in self.config.inputs]
        began = self.clock()
        record = {"what": "request", "seq": seq, "time": began, "inputs": inputs}
        try:
            found = self.infer(self.config.model, [inputs])
        except NoAnswer as trouble:
            self.journal.add(**record, ok=False, message=str(trouble), status=trouble.status)
            return True
        self.journal.add(
            **record,
            ok=True,
            tag=found.tag,
            digest=found.digest,
            output=found.outputs[0],
            ms=round((self.clock() - began) * 1000, 3),
        )
        return True

    def run(self) -> None:
        self.journal.add(what="began", time=self.clock())
        while True:
            self.look()
            time.sleep(self.config.every)
