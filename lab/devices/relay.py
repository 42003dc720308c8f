"""The relay between a device's address and its protocol server, which implements its faults.

Each client's connection is connected to one with the server, which listens on loopback inside
the device's namespace.  Without a fault, messages are passed on; with one, they are delayed,
split, replaced or refused, independently of the library of the server.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from random import Random

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.devices.connection import Connection
from edge_lab.devices.faults import Busy, DeviceFault, Gone, SessionDrop, Untrusted
from edge_lab.devices.framing import Framing

log = logging.getLogger(__name__)

Address = tuple[str, int]

_SHOW_SECONDS = 2.0
"""Seconds for its own connection to be refused."""


async def _no_sessions() -> None:
    pass


class Relay:
    """The connections of all clients, and their fault."""

    def __init__(
        self,
        outer: Address,
        inner: Address,
        framing: Framing,
        close_sessions: Callable[[], Awaitable[None]] = _no_sessions,
    ) -> None:
        self._outer = outer
        self.inner = inner
        self.framing = framing
        self._close_sessions = close_sessions
        """Called for the fault `session-drop`, which the server implements."""
        self.fault: DeviceFault | None = None
        self.affected = 0
        """Answers and connections that the current fault has affected."""
        self._connections: set[Connection] = set()
        self._listener: asyncio.Server | None = None
        self._dropping: asyncio.Task[None] | None = None
        self._noise: dict[bool, Random] = {}
        self.take: Callable[[], bool] | None = None
        """Called with each request; if it returns True, that request is not answered."""

    async def start(self) -> None:
        """Starts to listen.

        Raises:
            LabError: the address is not available.
        """
        loop = asyncio.get_running_loop()
        try:
            self._listener = await loop.create_server(lambda: Connection(self), *self._outer)
        except OSError as trouble:
            raise LabError(f"cannot listen on {self._outer}: {trouble.strerror}") from trouble

    async def stop(self) -> None:
        """Ends all connections."""
        self._stop_dropping()
        self._stop_listening()
        await self._drop(frozenset(self._connections))

    @property
    def clients(self) -> int:
        """Open connections, without the device's own."""
        return sum(not connection.own for connection in self._connections)

    def is_own(self, peer: object) -> bool:
        """Whether a connection comes from the device itself."""
        return isinstance(peer, tuple) and peer[0] == self._outer[0]

    # -- faults --------------------------------------------------------------------------

    async def set_fault(self, fault: DeviceFault | None) -> None:
        """Replaces the fault.

        Answers that the previous fault has delayed are sent at once; those that it would have
        sent after a later request are discarded.
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
                await self._close_sessions()
                await self._drop(everyone)
                if fault.period_s:
                    self._dropping = asyncio.create_task(self._drop_again(fault.period_s))
            case Untrusted():
                await self._drop(
                    frozenset(connection for connection in everyone if not connection.own)
                )
        for connection in self._connections:
            connection.settle()
        if self._listener is None and not isinstance(fault, Gone):
            await self.start()

    async def close(self) -> None:
        """Stops listening, and drops all connections; silently if its NIC is down."""
        self._stop_listening()
        await self._drop(frozenset(self._connections), silently=True)

    async def reopen(self) -> None:
        """Listens again, if it does not."""
        if self._listener is None:
            await self.start()

    async def _drop(self, which: frozenset[Connection], *, silently: bool = False) -> None:
        for connection in which:
            connection.drop(silently=silently)
        self.affected += len(which)
        while which & self._connections:
            await asyncio.sleep(0)

    async def _drop_again(self, period: float) -> None:
        while True:
            await asyncio.sleep(period)
            await self._close_sessions()
            await self._drop(frozenset(self._connections))

    def _stop_dropping(self) -> None:
        if self._dropping is not None:
            self._dropping.cancel()
            self._dropping = None

    def _stop_listening(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    async def overfill(self, connections: int) -> None:
        """Opens one connection more than allowed to itself, so that one of them is refused."""
        lines = [await self._connect() for _ in range(connections + 1)]
        ends = [asyncio.create_task(reader.read(1)) for reader, _ in lines]
        limit = Deadline.scaled(_SHOW_SECONDS)
        await asyncio.wait(ends, timeout=limit.remaining, return_when=asyncio.FIRST_COMPLETED)
        for end in ends:
            end.cancel()
        await asyncio.gather(*ends, return_exceptions=True)
        ours = {writer.get_extra_info("sockname") for _, writer in lines}
        for _, writer in lines:
            writer.transport.abort()
        while any(connection.peer in ours for connection in self._connections):
            await asyncio.sleep(0)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            return await asyncio.open_connection(*self._outer)
        except OSError as trouble:
            raise LabError(f"cannot connect to {self._outer}: {trouble.strerror}") from trouble

    # -- Called by connections -----------------------------------------------------------

    def enter(self, connection: Connection) -> bool:
        """Admits a new connection; False if it must be closed."""
        match self.fault:
            case Gone():
                return False
            case Busy(connections=most) if self._sockets(own=connection.own) >= most:
                self.affected += 1
                return False
        self._connections.add(connection)
        return True

    def _sockets(self, *, own: bool) -> int:
        """The number of used sockets, for the device's own connections or for clients."""
        return len(self._connections) if own else self.clients

    def leave(self, connection: Connection) -> None:
        self._connections.discard(connection)

    def noise(self, own: bool) -> Random:
        """Random numbers of the fault. Reads of the device by itself do not change the clients'."""
        return self._noise[own]

    def hits(self, probability: float, own: bool) -> bool:
        """Whether the fault affects this answer; counts it if so."""
        struck = self.noise(own).random() < probability
        self.affected += struck
        return struck


def noise_of(seed: int) -> dict[bool, Random]:
    """Two random sequences of a seed: for the device's own connections, and for clients."""
    return {own: Random(f"{seed}:{'own' if own else 'clients'}") for own in (True, False)}
