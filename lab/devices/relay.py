"""What stands on a device's address, before its protocol server, and does its faults.

Each client's connection is joined to one with the server, which listens on loopback inside
the device's namespace.  Without a fault, messages pass as they come; with one, they are
held back, cut up, replaced or refused, whatever library the server is made of.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections import deque
from itertools import pairwise
from random import Random

from edge_lab.core.errors import LabError
from edge_lab.devices.faults import (
    BadCrc,
    DeviceFault,
    Exceptions,
    Gone,
    Junk,
    Late,
    SessionDrop,
    Slow,
    Split,
    Untrusted,
)
from edge_lab.devices.framing import Framing, Splitter, Way

log = logging.getLogger(__name__)

Address = tuple[str, int]


class Relay:
    """The connections of all clients, and the fault that they suffer from."""

    def __init__(self, outer: Address, inner: Address, framing: Framing) -> None:
        self._outer = outer
        self.inner = inner
        self.framing = framing
        self.fault: DeviceFault | None = None
        self.affected = 0
        """Answers and connections that the present fault has touched."""
        self._connections: set[_Connection] = set()
        self._listener: asyncio.Server | None = None
        self._dropping: asyncio.Task[None] | None = None
        self._noise: dict[bool, Random] = {}

    async def start(self) -> None:
        """Listens.

        Raises:
            LabError: the address cannot be had.
        """
        loop = asyncio.get_running_loop()
        try:
            self._listener = await loop.create_server(lambda: _Connection(self), *self._outer)
        except OSError as trouble:
            raise LabError(f"cannot listen on {self._outer}: {trouble.strerror}") from trouble

    async def stop(self) -> None:
        """Ends all connections."""
        self._stop_dropping()
        self._stop_listening()
        await self._drop(frozenset(self._connections))

    @property
    def clients(self) -> int:
        """Open connections, the device's own left out."""
        return sum(not each.own for each in self._connections)

    def is_own(self, peer: object) -> bool:
        """Whether the device itself is at the other end of a connection."""
        return isinstance(peer, tuple) and peer[0] == self._outer[0]

    # -- faults --------------------------------------------------------------------------

    async def set_fault(self, fault: DeviceFault | None) -> None:
        """Puts `fault` in the place of what was set.

        Answers that a former fault has delayed go out at once; those that it would have given
        in reply to a later request are gone.
        """
        self._stop_dropping()
        self.fault, self.affected = fault, 0
        self._noise = noise_of(getattr(fault, "seed", 0))
        everyone = frozenset(self._connections)
        match fault:
            case Gone():
                self._stop_listening()
                await self._drop(everyone, silently=fault.how == "silent")
            case SessionDrop():
                await self._drop(everyone)
                if fault.period_s:
                    self._dropping = asyncio.create_task(self._drop_again(fault.period_s))
            case Untrusted():
                await self._drop(frozenset(each for each in everyone if not each.own))
        for connection in self._connections:
            connection.settle()
        if self._listener is None and not isinstance(fault, Gone):
            await self.start()

    async def _drop(self, which: frozenset[_Connection], *, silently: bool = False) -> None:
        for connection in which:
            connection.drop(silently=silently)
        self.affected += len(which)
        while which & self._connections:
            await asyncio.sleep(0)

    async def _drop_again(self, period: float) -> None:
        while True:
            await asyncio.sleep(period)
            await self._drop(frozenset(self._connections))

    def _stop_dropping(self) -> None:
        if self._dropping is not None:
            self._dropping.cancel()
            self._dropping = None

    def _stop_listening(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    # -- what connections ask ------------------------------------------------------------

    def enter(self, connection: _Connection) -> bool:
        """Takes a new connection in, or says that it must be dropped."""
        if isinstance(self.fault, Gone):
            return False
        self._connections.add(connection)
        return True

    def leave(self, connection: _Connection) -> None:
        self._connections.discard(connection)

    def noise(self, own: bool) -> Random:
        """Randomness of the fault. What the device reads itself does not alter the clients'."""
        return self._noise[own]

    def hits(self, probability: float, own: bool) -> bool:
        """Whether the fault strikes this time; counts if it does."""
        struck = self.noise(own).random() < probability
        self.affected += struck
        return struck


def noise_of(seed: int) -> dict[bool, Random]:
    """Two sequences for a seed: that of the device's own connections, and the clients'."""
    return {own: Random(f"{seed}:{'own' if own else 'clients'}") for own in (True, False)}


def junk(noise: Random, length: int, framing: Framing) -> bytes:
    """Bytes that are no message: no MBAP (protocol is not 0), no UA-TCP (not letters), no RTU
    (no CRC fits)."""
    while True:
        nonsense = bytes(noise.randrange(0x80, 0x100) for _ in range(length))
        if not framing.holds_message(nonsense):
            return nonsense


class _Connection(asyncio.Protocol):
    """A client's connection and the one with the server that belongs to it."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._requests = Splitter(relay.framing, Way.REQUEST)
        self._answers = Splitter(relay.framing, Way.ANSWER)
        self._latest = b""
        """Transaction of the last request."""
        self._held: list[bytes] = []
        """Answers that wait for the next request."""
        self._dialling: asyncio.Task[None] | None = None
        self._server: asyncio.Transport | None = None
        self._silence: asyncio.TimerHandle | None = None
        """Ends what has come of a request, unless more comes."""
        self.own = False

    # -- the client's side ---------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._client = transport
        self._out = _Outbox(transport)
        self.own = self._relay.is_own(transport.get_extra_info("peername"))
        if not self._relay.enter(self):
            transport.abort()
            return
        # Not at once: in Python 3.11.2 the loop begins to read after this method whatever it says,
        # and a request that comes before there is a server would be lost.
        asyncio.get_running_loop().call_soon(transport.pause_reading)
        self._dialling = asyncio.create_task(self._dial())

    async def _dial(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            transport, _ = await loop.create_connection(lambda: _Inner(self), *self._relay.inner)
        except OSError as trouble:
            log.warning("the server does not take a connection: %s", trouble)
            self._client.abort()
            return
        if self._client.is_closing():
            transport.abort()
            return
        self._server = transport
        self._client.resume_reading()

    def data_received(self, data: bytes) -> None:
        self._end_silence()
        for request in self._requests.feed(data):
            self._request(request)
        pause = self._relay.framing.silence
        if pause and self._requests.waiting:
            loop = asyncio.get_running_loop()
            self._silence = loop.call_later(pause, self._requests.drop)

    def _end_silence(self) -> None:
        if self._silence is not None:
            self._silence.cancel()
            self._silence = None

    def connection_lost(self, problem: Exception | None) -> None:
        self._end_silence()
        self._relay.leave(self)
        self._out.discard()
        if self._server is not None:
            self._server.close()

    def pause_writing(self) -> None:
        if self._server is not None:
            self._server.pause_reading()

    def resume_writing(self) -> None:
        if self._server is not None:
            self._server.resume_reading()

    # -- the server's side ---------------------------------------------------------------

    def answered(self, data: bytes) -> None:
        for answer in self._answers.feed(data):
            self._answer(answer)

    def ended(self) -> None:
        """The server has closed its connection."""
        self._out.close()

    def hold(self, full: bool) -> None:
        """The server takes no more for now, or takes it again."""
        if self._client.is_closing():
            return
        if full:
            self._client.pause_reading()
        else:
            self._client.resume_reading()

    # -- messages ------------------------------------------------------------------------

    def _request(self, request: bytes) -> None:
        relay, fault = self._relay, self._relay.fault
        if self._held:
            for answer in self._held:
                self._out.send(answer)
            self._held.clear()
        if isinstance(fault, Exceptions) and self._requests.framed:
            refusal = relay.framing.refusal(request, fault.code)
            if refusal is not None and relay.hits(fault.probability, self.own):
                self._out.send(refusal)
                return
        if self._requests.framed:
            self._latest = relay.framing.transaction(request)
            if (said := relay.framing.instead(request)) is not None:
                if said:
                    self._answer(said)
                return
        if self._server is not None:
            self._server.write(request)

    def _answer(self, answer: bytes) -> None:
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
            case Late() if relay.framing.transaction(answer) == self._latest:
                relay.affected += 1
                self._held.append(answer)
            case _:
                self._out.send(answer)

    def settle(self) -> None:
        """The fault is another one now, or none."""
        self._held.clear()
        self._out.flush()

    def drop(self, *, silently: bool = False) -> None:
        """Closes at once; `silently` leaves nothing that the kernel would send later."""
        if silently:
            line: socket.socket = self._client.get_extra_info("socket")
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._client.abort()


class _Inner(asyncio.Protocol):
    """The connection with the server: hands all on to its `_Connection`."""

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection

    def data_received(self, data: bytes) -> None:
        self._connection.answered(data)

    def connection_lost(self, problem: Exception | None) -> None:
        self._connection.ended()

    def pause_writing(self) -> None:
        self._connection.hold(True)

    def resume_writing(self) -> None:
        self._connection.hold(False)


def cut(message: bytes, pieces: int) -> list[bytes]:
    """`message` in so many pieces of nearly the same length, or one for each byte."""
    pieces = min(pieces, len(message))
    ends = [len(message) * number // pieces for number in range(pieces + 1)]
    return [message[start:end] for start, end in pairwise(ends)]


class _Outbox:
    """What goes to a client, each part at its time, never out of order."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[float, bytes | None]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def send(self, data: bytes | None, after: float = 0.0) -> None:
        """Sends `data`, or closes if it is None, so many seconds from now and after the rest."""
        if after <= 0 and not self._waiting:
            self._write(data)
            return
        self._put(self._loop.time() + after, data)

    def send_in_pieces(self, pieces: list[bytes], gap: float) -> None:
        first = max(self._loop.time(), self._waiting[-1][0] + gap if self._waiting else 0.0)
        for number, piece in enumerate(pieces):
            self._put(first + number * gap, piece)

    def close(self) -> None:
        """Closes when all is sent."""
        self.send(None)

    def flush(self) -> None:
        """Sends at once what waits."""
        while self._waiting:
            self._write(self._waiting.popleft()[1])
        self._disarm()

    def discard(self) -> None:
        """Forgets what waits."""
        self._waiting.clear()
        self._disarm()

    def _put(self, due: float, data: bytes | None) -> None:
        self._waiting.append((due, data))
        if self._timer is None:
            self._work()

    def _work(self) -> None:
        self._timer = None
        while self._waiting and self._waiting[0][0] <= self._loop.time():
            self._write(self._waiting.popleft()[1])
        if self._waiting:
            self._timer = self._loop.call_at(self._waiting[0][0], self._work)

    def _write(self, data: bytes | None) -> None:
        if data is None:
            self._transport.close()
        elif not self._transport.is_closing():
            self._transport.write(data)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
