"""A client's connection with a device: its requests and answers, and the effects of faults."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from edge_lab.devices.faults import BadCrc, Exceptions, Junk, Late, Slow, Split
from edge_lab.devices.framing import Framing, Splitter, Way
from edge_lab.devices.modbus_pdu import Code
from edge_lab.devices.outbox import Outbox, cut

if TYPE_CHECKING:
    from edge_lab.devices.relay import Relay

log = logging.getLogger(__name__)

QUEUE = 128
"""Maximum number of pending requests of a connection. Further ones are refused, since the device
is busy."""
OWED = 1024
"""Maximum number of queued answers of a connection; at that number, reading is paused."""


def junk(noise: Random, length: int, framing: Framing) -> bytes:
    """Bytes that are not a message: not MBAP (protocol is not 0), not UA-TCP (no letters), not RTU
    (no valid CRC)."""
    while True:
        nonsense = bytes(noise.randrange(0x80, 0x100) for _ in range(length))
        if not framing.holds_message(nonsense):
            return nonsense


@dataclass(frozen=True)
class _Turn:
    """A request that gets one answer, in the order of the requests."""

    number: int
    answer: bytes | None
    """The answer instead of the server's, which has not seen the request."""


class Connection(asyncio.Protocol):
    """A client's connection, with its connection to the server."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._requests = relay.framing.requests()
        self._answers = Splitter(relay.framing, Way.ANSWER)
        self._count = 0
        """Number of requests so far."""
        self._turns: deque[_Turn] = deque()
        """Requests with pending answers."""
        self._held: list[bytes] = []
        """Answers that are held back until the next request."""
        self._dialling: asyncio.Task[None] | None = None
        self._server: asyncio.Transport | None = None
        self._silence: asyncio.TimerHandle | None = None
        """Ends what has come of a request, unless more comes."""
        self._ended = False
        self._server_full = self._client_full = self._held_back = False
        self.peer: object = None
        """Its address and port."""
        self.own = False

    # -- the client's side ---------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._client = transport
        self._out = Outbox(transport, self._flow)
        self.peer = transport.get_extra_info("peername")
        self.own = self._relay.is_own(self.peer)
        if not self._relay.enter(self):
            transport.abort()
            return
        # Deferred: in Python 3.11.2 the loop starts to read after this method in any case, and a
        # request that arrives before the server is connected would be lost.
        asyncio.get_running_loop().call_soon(transport.pause_reading)
        self._dialling = asyncio.create_task(self._dial())

    async def _dial(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            transport, _ = await loop.create_connection(lambda: _Inner(self), *self._relay.inner)
        except OSError as trouble:
            log.warning("the server does not accept a connection: %s", trouble)
            self._client.abort()
            return
        if self._client.is_closing():
            transport.abort()
            return
        self._server = transport
        self._client.resume_reading()

    def data_received(self, data: bytes) -> None:
        self._end_silence()
        self._take(self._requests.feed(data))
        self._flow()
        self._await_silence()

    def _await_silence(self) -> None:
        pause = self._relay.framing.silence
        if pause and self._requests.waiting and not self._held_back and self._silence is None:
            loop = asyncio.get_running_loop()
            self._silence = loop.call_later(pause, self._after_silence)

    def _after_silence(self) -> None:
        self._silence = None
        self._take(self._requests.expire())
        if not self._requests.framed:
            self._out.close()

    def _take(self, requests: Iterable[bytes]) -> None:
        for request in requests:
            self._request(request)

    def _end_silence(self) -> None:
        if self._silence is not None:
            self._silence.cancel()
            self._silence = None

    def eof_received(self) -> bool:
        """The client has shut down its side; it may still read pending answers."""
        self._ended = True
        return bool(self._turns)

    def connection_lost(self, problem: Exception | None) -> None:
        self._end_silence()
        self._relay.leave(self)
        self._out.discard()
        if self._server is not None:
            self._server.close()

    def pause_writing(self) -> None:
        self._client_full = True
        if self._server is not None:
            self._server.pause_reading()
        self._flow()

    def resume_writing(self) -> None:
        self._client_full = False
        if self._server is not None:
            self._server.resume_reading()
        self._flow()

    def _flow(self) -> None:
        """Resumes or pauses reading from the client."""
        if self._server is None or self._client.is_closing():
            return
        held = self._server_full
        if self._relay.framing.in_turns:
            held = held or self._client_full or self._owed >= OWED
        if held is self._held_back:
            return
        self._held_back = held
        if held:
            self._end_silence()
            self._client.pause_reading()
        else:
            self._client.resume_reading()
            self._await_silence()

    # -- the server's side ---------------------------------------------------------------

    def answered(self, data: bytes) -> None:
        for answer in self._answers.feed(data):
            turn = self._turns.popleft() if self._turns else None
            self._answer(answer, turn.number if turn else self._count)
            self._answer_in_turn()

    def ended(self) -> None:
        """The server has closed its connection."""
        self._out.close()

    def hold(self, full: bool) -> None:
        """The server's buffer is full, or has space again."""
        self._server_full = full
        self._flow()

    # -- messages ------------------------------------------------------------------------

    def _request(self, request: bytes) -> None:
        self._count += 1
        for answer in self._held:
            self._out.send(answer)
        self._held.clear()
        framing, refusal = self._relay.framing, None
        if self._relay.take is not None and self._relay.take():
            return
        if self._requests.framed and not framing.is_heard(request):
            return
        if self._requests.framed and framing.is_answered(request):
            refusal = self._refusal(request)
            self._turns.append(_Turn(self._count, refusal))
            self._answer_in_turn()
        if refusal is None and self._server is not None:
            self._server.write(request)

    @property
    def _owed(self) -> int:
        """Pending answers."""
        return len(self._turns) + self._out.answers

    def _refusal(self, request: bytes) -> bytes | None:
        """The answer, if the request must not reach the server."""
        relay = self._relay
        if self._owed >= QUEUE:
            return relay.framing.refusal(request, Code.DEVICE_BUSY)
        match relay.fault:
            case Exceptions(code=code, probability=probability):
                refusal = relay.framing.refusal(request, code)
                if refusal is not None and relay.hits(probability, self.own):
                    return refusal
        return relay.framing.instead(request)

    def _answer_in_turn(self) -> None:
        """Sends the answers that no longer have to wait for the server's."""
        while self._turns and (answer := self._turns[0].answer) is not None:
            self._answer(answer, self._turns.popleft().number)
        if self._ended and not self._turns:
            self._client.close()
        self._flow()

    def _answer(self, answer: bytes, number: int) -> None:
        """Sends the answer to that request, changed by the fault."""
        relay = self._relay
        match relay.fault:
            case Slow(delay_ms=delay, jitter_ms=jitter):
                relay.affected += 1
                late = relay.noise(self.own).uniform(delay - jitter, delay + jitter)
                self._out.send(answer, after=late / 1000)
            case Junk(probability=probability) if relay.hits(probability, self.own):
                self._out.send(junk(relay.noise(self.own), len(answer), relay.framing))
            case BadCrc(probability=probability) if relay.hits(probability, self.own):
                self._out.send(relay.framing.spoiled(answer))
            case Split(pieces=pieces, gap_ms=gap):
                relay.affected += 1
                self._out.send_in_pieces(cut(answer, pieces), gap / 1000)
            case Late() if number == self._count:
                relay.affected += 1
                self._held.append(answer)
            case _:
                self._out.send(answer)

    def settle(self) -> None:
        """The fault has changed."""
        self._held.clear()
        self._out.flush()

    def drop(self, *, silently: bool = False) -> None:
        """Closes immediately; with `silently` the kernel sends nothing afterwards."""
        if silently:
            line: socket.socket = self._client.get_extra_info("socket")
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._client.abort()


class _Inner(asyncio.Protocol):
    """The connection to the server, which passes everything to its `Connection`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def data_received(self, data: bytes) -> None:
        self._connection.answered(data)

    def connection_lost(self, problem: Exception | None) -> None:
        self._connection.ended()

    def pause_writing(self) -> None:
        self._connection.hold(True)

    def resume_writing(self) -> None:
        self._connection.hold(False)
