"""The output to a client: each part at its time, never out of order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise


def cut(message: bytes, pieces: int) -> list[bytes]:
    """Splits `message` into pieces of nearly the same length, of at least one byte."""
    pieces = min(pieces, len(message))
    ends = [len(message) * number // pieces for number in range(pieces + 1)]
    return [message[start:end] for start, end in pairwise(ends)]


@dataclass(frozen=True)
class _Part:
    due: float
    """When it is sent, by the loop's clock."""
    data: bytes | None
    """None closes the connection."""
    ends: bool = True
    """Whether it is the last part of an answer."""


class Outbox:
    """Sends immediately, or later."""

    def __init__(self, transport: asyncio.Transport, sent: Callable[[], None]) -> None:
        """`sent` is called when the queue has become shorter."""
        self._transport = transport
        self._sent = sent
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[_Part] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self.answers = 0
        """Number of queued answers."""

    def send(self, data: bytes | None, after: float = 0.0) -> None:
        """Sends `data`, or closes if it is None, after a delay in seconds and after the rest."""
        if after <= 0 and not self._waiting:
            self._write(data)
            return
        self._put(_Part(self._loop.time() + after, data))

    def send_in_pieces(self, pieces: list[bytes], gap: float) -> None:
        first = max(self._loop.time(), self._waiting[-1].due + gap if self._waiting else 0.0)
        last = len(pieces) - 1
        for number, piece in enumerate(pieces):
            self._put(_Part(first + number * gap, piece, ends=number == last))

    def close(self) -> None:
        """Closes when everything has been sent."""
        self.send(None)

    def flush(self) -> None:
        """Sends the queued parts immediately."""
        while self._waiting:
            self._send_first()
        self._disarm()

    def discard(self) -> None:
        """Discards the queued parts."""
        self._waiting.clear()
        self.answers = 0
        self._disarm()

    def _put(self, part: _Part) -> None:
        self._waiting.append(part)
        self.answers += part.ends
        if self._timer is None:
            self._work()

    def _work(self) -> None:
        self._timer = None
        while self._waiting and self._waiting[0].due <= self._loop.time():
            self._send_first()
        if self._waiting:
            self._timer = self._loop.call_at(self._waiting[0].due, self._work)

    def _send_first(self) -> None:
        part = self._waiting.popleft()
        self.answers -= part.ends
        self._write(part.data)
        self._sent()

    def _write(self, data: bytes | None) -> None:
        if data is None:
            self._transport.close()
        elif not self._transport.is_closing():
            self._transport.write(data)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
