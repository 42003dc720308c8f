"""The process of a board: switched on and off, reset, paused and saved."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.devices.rtos.board import EMULATOR, Configuration, command_line, write_to
from edge_lab.devices.rtos.cable import Cable
from edge_lab.devices.rtos.console import Lines
from edge_lab.devices.rtos.qmp import Monitor

log = logging.getLogger(__name__)

_OPEN_SECONDS = 30.0
_SAVE_SECONDS = 30.0
_SAVE_POLL = 0.01
_CHUNK = 65_536


class Board:
    """A board, which is on or off."""

    def __init__(
        self,
        firmware: Path,
        mac: str,
        on_line: Callable[[str], None],
        on_reset: Callable[[], None],
        on_end: Callable[[], None],
    ) -> None:
        """`on_line` is called with each line of the firmware's log, `on_reset` after any reset of
        the board, and `on_end` when the emulator has ended by itself."""
        self._firmware = firmware
        self._mac = mac
        self._on_line = on_line
        self._on_reset = on_reset
        self._on_end = on_end
        self._lines = Lines()
        self._process: subprocess.Popen[bytes] | None = None
        self._monitor: Monitor | None = None
        self._pidfd = -1
        self._nic: socket.socket | None = None

    @property
    def is_on(self) -> bool:
        return self._process is not None

    async def power_on(
        self, configuration: Configuration, cable: Cable, memory: Path | None = None
    ) -> None:
        """Starts the firmware, or continues from the file `memory`; does not wait for it.

        Raises:
            LabError: the emulator is not installed, or does not start.
        """
        nic, theirs_nic = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        line, theirs_line = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        argv = command_line(
            self._firmware,
            configuration,
            mac=self._mac,
            nic=theirs_nic.fileno(),
            monitor=theirs_line.fileno(),
            memory=memory,
        )
        try:
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                pass_fds=(theirs_nic.fileno(), theirs_line.fileno()),
            )
        except OSError as trouble:
            nic.close()
            line.close()
            raise LabError(
                f"{argv[0]} cannot be started: {trouble.strerror}",
                remedy="`lab doctor` shows what is missing.",
            ) from trouble
        finally:
            theirs_nic.close()
            theirs_line.close()
        loop = asyncio.get_running_loop()
        assert self._process.stdout is not None
        os.set_blocking(self._process.stdout.fileno(), False)
        loop.add_reader(self._process.stdout.fileno(), self.drain)
        self._pidfd = os.pidfd_open(self._process.pid)
        loop.add_reader(self._pidfd, self._ended)
        nic.setblocking(False)
        self._nic = nic
        cable.plug(nic)
        self._monitor = Monitor(line, self._event)
        try:
            await asyncio.wait_for(self._monitor.open(), Deadline.scaled(_OPEN_SECONDS).remaining)
        except TimeoutError as trouble:
            raise LabError(f"{EMULATOR} does not answer at its monitor") from trouble
        if memory is not None:
            limit = Deadline.scaled(_SAVE_SECONDS)
            while (await self._ask("query-status")).get("status") == "inmigrate":
                limit.check("the board continues where it was saved")
                await asyncio.sleep(_SAVE_POLL)
            await self.go_on()  # it was paused when it was saved

    async def power_off(self, cable: Cable) -> None:
        """Ends it immediately, like a loss of power. Passes on its log up to then."""
        process, monitor, nic = self._process, self._monitor, self._nic
        if process is None:
            return
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
        process.wait()
        self.drain()
        assert process.stdout is not None
        assert process.stdin is not None
        loop.remove_reader(process.stdout.fileno())
        process.stdout.close()
        process.stdin.close()
        cable.unplug()
        self._process = self._monitor = self._nic = None
        self._lines.clear()
        if nic is not None:
            nic.close()
        if monitor is not None:
            await monitor.close()

    async def reset(self) -> None:
        """Resets it; its memory stays. `on_reset` is called when it is done."""
        await self._ask("system_reset")

    async def hold(self) -> None:
        """Stops its processor and its clock; passes on its log up to then."""
        await self._ask("stop")
        self.drain()

    async def go_on(self) -> None:
        await self._ask("cont")

    async def save(self, file: Path) -> None:
        """Writes its state to `file`, while it is paused.

        Raises:
            LabError: it is off, or it cannot be written.
        """
        await self._ask("migrate", uri=write_to(file))
        limit = Deadline.scaled(_SAVE_SECONDS)
        while (status := (await self._ask("query-migrate")).get("status")) != "completed":
            if status in ("failed", "cancelled") or limit.expired:
                raise LabError(f"the board cannot be saved in {file}: {status}")
            await asyncio.sleep(_SAVE_POLL)

    def order(self, text: str) -> None:
        """Sends a line to the firmware's service port."""
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                os.write(self._process.stdin.fileno(), text.encode("ascii") + b"\n")

    def drain(self) -> None:
        """Passes on all lines that the firmware has logged so far."""
        process = self._process
        if process is None or process.stdout is None:
            return
        while True:
            try:
                data = os.read(process.stdout.fileno(), _CHUNK)
            except BlockingIOError:
                return
            if not data:
                asyncio.get_running_loop().remove_reader(process.stdout.fileno())
                return
            for line in self._lines.feed(data):
                self._on_line(line)

    async def _ask(self, command: str, **arguments: object) -> dict[str, object]:
        if self._monitor is None:
            raise LabError("the board is switched off")
        answer: dict[str, object] = await self._monitor.ask(command, **arguments)
        return answer

    def _event(self, name: str) -> None:
        if name == "RESET":
            self.drain()
            self._on_reset()

    def _ended(self) -> None:
        asyncio.get_running_loop().remove_reader(self._pidfd)
        self._on_end()
