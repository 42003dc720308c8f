"""Faults that restart a simulated device: reset, loss of power, watchdog."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from edge_lab.core.errors import LabError
from edge_lab.devices.faults import BrownOut, DeviceFault, Hang, Reset
from edge_lab.devices.relay import Relay
from edge_lab.devices.wire import set_nic

WATCHDOG_SECONDS = 4.0
"""Seconds after which a hanging device resets; the default of firmware, too."""


class Restarts:
    """Restarts a device, as often as its fault requires."""

    def __init__(self, relay: Relay, forget: Callable[[], None]) -> None:
        """`forget` is called to clear what a loss of power erases."""
        self._relay = relay
        self._forget = forget
        self.boots = 1
        self.affected = 0
        """Starts that the current fault has caused."""
        self._task: asyncio.Task[None] | None = None
        self._asked = asyncio.Event()
        """The request has arrived during which the device is to reset."""

    def begin(self, fault: DeviceFault | None) -> None:
        """Applies the fault from now on, if it is one of these."""
        self.affected = 0
        match fault:
            case Reset(period_s=period):
                self._repeat(self._reset, period)
            case BrownOut(period_s=period, off_ms=off):
                self._repeat(lambda: self._lose_power(off / 1000), period)
            case Hang(period_s=period):
                self._repeat(self._hang, period)

    async def stop(self) -> None:
        """Ends the fault. During a restart, the NIC may stay down and the relay not listen."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, LabError):
                await task
        self._relay.take = None

    def _repeat(self, does: Callable[[], Awaitable[None]], period: float | None) -> None:
        async def again() -> None:
            while True:
                await does()
                if period is None:
                    return
                await asyncio.sleep(period)

        self._task = asyncio.create_task(again())

    async def _reset(self) -> None:
        self._asked.clear()
        self._relay.take = self._strike
        await self._asked.wait()
        await self._start_again()

    def _strike(self) -> bool:
        """The first request triggers the reset; later ones are lost."""
        self._asked.set()
        return True

    async def _hang(self) -> None:
        self._relay.take = lambda: True
        await asyncio.sleep(WATCHDOG_SECONDS)
        await self._start_again()

    async def _lose_power(self, seconds: float) -> None:
        await self._start_again(seconds, self._forget)

    async def _start_again(
        self, after: float = 0.0, forget: Callable[[], None] = lambda: None
    ) -> None:
        set_nic(up=False)
        await self._relay.close()
        self._relay.take = None
        await asyncio.sleep(after)
        forget()
        await self._relay.reopen()
        set_nic(up=True)
        self.boots += 1
        self.affected += 1
