"""What stands on a device's address, before its protocol server, and does its faults.

Each client's connection is joined to one with the server, which listens on loopback inside
the device's namespace.  Without a fault, messages pass as they come; with one, they are
held back, cut up, replaced or refused, whatever library the server is made of.
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
"""For a connection of its own to be turned away."""


async def _no_sessions() -> None:
    pass


class Relay:
    """The connections of all clients, and the fault that they suffer from."""

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
        """What the fault `session-drop` does in the server."""
        self.fault: DeviceFault | None = None
        self.affected = 0
        """Answers and connections that the present fault has touched."""
        self._connections: set[Connection] = set()
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
                await self._close_sessions()
                await self._drop(everyone)
                if fault.period_s:
                    self._dropping = asyncio.create_task(self._drop_again(fault.period_s))
            case Untrusted():
                await self._drop(frozenset(each for each in everyone if not each.own))
        for connection in self._connections:
            connection.settle()
        if self._listener is None and not isinstance(fault, Gone):
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
        """Connects to itself once more often than may be, so that one of them is turned away."""
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

    # -- what connections ask ------------------------------------------------------------

    def enter(self, connection: Connection) -> bool:
        """Takes a new connection in, or says that it must be dropped."""
        match self.fault:
            case Gone():
                return False
            case Busy(connections=most) if self._sockets(own=connection.own) >= most:
                self.affected += 1
                return False
        self._connections.add(connection)
        return True

    def _sockets(self, *, own: bool) -> int:
        """How many are taken, as seen from the device's own connections or from the others."""
        return len(self._connections) if own else self.clients

    def leave(self, connection: Connection) -> None:
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
