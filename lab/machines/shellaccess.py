"""What every machine can do over its shell: set its clock, run commands, read and write files."""

from __future__ import annotations

import subprocess
from typing import Any

from edge_lab.core.deadline import Deadline
from edge_lab.machines.api import ClockOffset
from edge_lab.machines.clock import ShellClock
from edge_lab.machines.shell import GuestShell
from edge_lab.machines.ssh import CommandResult
from edge_lab.provisioning.provision import GuestFile


class ShellAccess:
    """The part of a `Machine` that needs nothing but its shell, however it was booted."""

    shell: GuestShell
    clock: ShellClock

    # -- Clock: ShellClock ---------------------------------------------------------------

    def clock_offset(self, deadline: Deadline) -> ClockOffset:
        """How far the guest's clock is ahead of the host's."""
        return self.clock.clock_offset(deadline)

    def set_clock(self, deadline: Deadline) -> float:
        """Sets the guest's clock to the host's. Returns the remaining difference in seconds."""
        return self.clock.set_clock(deadline)

    def move_clock(self, seconds: float, deadline: Deadline) -> None:
        """Moves the guest's clock by `seconds`."""
        self.clock.move_clock(seconds, deadline)

    # -- Shell: GuestShell ---------------------------------------------------------------

    def run(
        self, command: str, deadline: Deadline | None = None, check: bool = True
    ) -> CommandResult:
        """Runs a shell command as root over the management path; the default limit is a minute."""
        return self.shell.run(command, deadline, check)

    def stream(self, command: str, deadline: Deadline) -> subprocess.Popen[bytes]:
        """Starts a shell command whose output is read while it runs; the caller ends it."""
        return self.shell.stream(command, deadline)

    def answers(self) -> bool:
        """Whether its SSH server sends its banner within two seconds."""
        return self.shell.answers()

    def read(self, path: str, deadline: Deadline | None = None) -> bytes:
        """The content of a file in the guest."""
        return self.shell.read(path, deadline)

    def write(self, file: GuestFile, deadline: Deadline | None = None) -> None:
        """Writes a file in the running guest atomically; creates its folder."""
        self.shell.write(file, deadline)

    def journal(
        self, unit: str | None = None, *, lines: int = 200, deadline: Deadline | None = None
    ) -> str:
        """The last lines of the guest's journal, or of one unit's part of it."""
        return self.shell.journal(unit, lines=lines, deadline=deadline)

    def wait_unit(self, unit: str, deadline: Deadline) -> None:
        """Waits until a systemd unit is active; LabError immediately if it has failed."""
        self.shell.wait_unit(unit, deadline)

    def testinfra(self) -> Any:
        """The testinfra host of this machine, over the same connection."""
        return self.shell.testinfra()
