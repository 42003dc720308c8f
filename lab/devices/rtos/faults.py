"""Implements faults of a board by its power, its settings and its resets."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Protocol

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.devices.faults import BrownOut, Busy, DeviceFault, Gone, Hang, Reset, SlowClock
from edge_lab.devices.points import MODBUS_PORT
from edge_lab.devices.protocols.rtos import RtosOptions
from edge_lab.devices.rtos.cable import Cable
from edge_lab.devices.rtos.console import Boot, Cause, Clients
from edge_lab.devices.rtos.power import Board
from edge_lab.devices.steptimes import StepTimes

UNLIMITED = 66
"""The maximum number of connections of the firmware (`server.c`)."""
_REFUSED_SECONDS = 2.0
_HANG_SECONDS = 10.0


class Power(Protocol):
    """Switches the board on and off; has no effect if it is on or off already."""

    async def switch_on(self) -> None: ...

    async def switch_off(self) -> None: ...


class BoardFaults:
    """The fault of a board, if any."""

    def __init__(
        self, board: Board, cable: Cable, power: Power, address: str, options: RtosOptions
    ) -> None:
        self._board = board
        self._cable = cable
        self._power = power
        self._address = address
        self._options = options
        self.steps = StepTimes()
        """Times of steps since the fault was set or cleared."""
        self.clients = Clients(0, 0)
        """The last report of the firmware about its clients."""
        self._refused_before = 0
        """Connections refused before the fault was set, since this start of the firmware."""
        self.paused = False
        """Whether the plant is to be paused."""
        self.fault: DeviceFault | None = None
        self._counted = 0
        self._hanging = asyncio.Event()
        self._repeating: asyncio.Task[None] | None = None
        self._work: set[asyncio.Task[None]] = set()

    @property
    def affected(self) -> int:
        """Starts, connections or steps that the fault has affected, by its kind."""
        match self.fault:
            case Busy():
                return max(0, self.clients.refused - self._refused_before)
            case SlowClock():
                return self.steps.count
        return self._counted

    async def set(self, fault: DeviceFault | None) -> None:
        """Replaces the fault; LabError if the board cannot be switched on."""
        await self.stop()
        self.fault, self._counted = fault, 0
        self._refused_before = self.clients.refused
        self.steps.restart()
        if isinstance(fault, Gone):
            self._counted = self.clients.open
            if fault.how == "silent":
                await self._power.switch_off()
                return
        await self._power.switch_on()
        self.set_knobs()
        match fault:
            case Busy(connections=most):
                await self._overfill(most)
            case Reset(period_s=period):
                self._repeat(self._arm, period)
            case BrownOut(period_s=period, off_ms=off):
                self._repeat(lambda: self._dip(off / 1000), period)
            case Hang(period_s=period):
                await self._hang()
                if period is not None:
                    self._repeat(self._hang, period, at_once=False)

    async def stop(self) -> None:
        """Ends repeated faults."""
        task, self._repeating = self._repeating, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, LabError):
                await task
        self._cable.on_request = None

    # -- Log of the firmware -------------------------------------------------------------

    def started(self, boot: Boot) -> None:
        """The firmware has started: it has no connections."""
        self.forget_clients()
        match self.fault, boot.cause:
            case (Hang(), Cause.WATCHDOG) | (BrownOut(), Cause.POWER):
                self._counted += 1

    def forget_clients(self) -> None:
        self.clients, self._refused_before = Clients(0, 0), 0

    def hangs(self) -> None:
        """The server's task hangs."""
        self._hanging.set()

    def was_reset(self) -> None:
        """The board has been reset. Frames that it had sent but were not received yet are lost."""
        if not self._cable.connected:
            self._cable.discard()
            self._cable.connected = True
            self._counted += 1

    def set_knobs(self) -> None:
        """Sends the settings to the firmware, which loses them with each start."""
        fault = self.fault
        most, own = self._options.connections, UNLIMITED
        if isinstance(fault, Busy):  # then the lab's reads need a free socket, too
            most = own = fault.connections
        rate = fault.rate if isinstance(fault, SlowClock) else 1.0
        listens = not isinstance(fault, Gone)
        self._board.order(f"C {most}")
        self._board.order(f"O {own}")
        self._board.order(f"K {round(rate * 1000)}")
        self._board.order(f"L {int(listens)}")
        self._board.order(f"P {int(self.paused)}")

    # -- Actions -------------------------------------------------------------------------

    def _repeat(
        self, does: Callable[[], Awaitable[None]], period: float | None, *, at_once: bool = True
    ) -> None:
        async def again() -> None:
            if not at_once:
                await asyncio.sleep(period or 0)
            while True:
                await does()
                if period is None:
                    return
                await asyncio.sleep(period)

        self._repeating = asyncio.create_task(again())

    async def _arm(self) -> None:
        """The next request is the last one before a reset."""
        self._cable.on_request = self._strike

    def _strike(self) -> None:
        task = asyncio.create_task(self._board.reset())
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    async def _dip(self, seconds: float) -> None:
        await self._power.switch_off()
        await asyncio.sleep(seconds)
        await self._power.switch_on()

    async def _hang(self) -> None:
        self._hanging.clear()
        self._board.order("H")
        limit = Deadline.scaled(_HANG_SECONDS)
        with contextlib.suppress(TimeoutError):  # then the proof fails
            await asyncio.wait_for(self._hanging.wait(), limit.remaining)

    async def _overfill(self, connections: int) -> None:
        """Opens one connection more than allowed, so that one of them is closed."""
        limit = Deadline.scaled(_REFUSED_SECONDS)
        writers: list[asyncio.StreamWriter] = []
        ends: list[asyncio.Task[bytes]] = []
        try:
            with contextlib.suppress(OSError, TimeoutError):
                for _ in range(connections + 1):
                    connecting = asyncio.open_connection(self._address, MODBUS_PORT)
                    reader, writer = await asyncio.wait_for(connecting, limit.remaining)
                    writers.append(writer)
                    ends.append(asyncio.create_task(reader.read(1)))
            if ends:
                first = asyncio.FIRST_COMPLETED
                await asyncio.wait(ends, timeout=limit.remaining, return_when=first)
        finally:
            for end in ends:
                end.cancel()
            await asyncio.gather(*ends, return_exceptions=True)
            for writer in writers:
                writer.transport.abort()
