"""The interface of machines, independent of how they run.

A lab boots `LibvirtMachine`s; tests have a machine without a guest.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from edge_lab.core.deadline import Deadline
from edge_lab.machines.console import Fatal
from edge_lab.machines.ssh import CommandResult
from edge_lab.provisioning.provision import GuestFile
from edge_lab.topology import Arch

PowerState = Literal["off", "running", "paused", "crashed"]


@dataclass(frozen=True)
class SavedMachine:
    """The files of one machine in a checkpoint."""

    memory: Path
    """Memory and device state, as written by QEMU."""
    disk: Path
    """The root disk, a qcow2 over the root image."""
    seed: Path

    @property
    def all(self) -> tuple[Path, ...]:
        return (self.memory, self.disk, self.seed)


@dataclass(frozen=True)
class BootRecord:
    """The record of a machine's boots, for processes that attach to the lab later."""

    boot_seconds: float | None = None
    """Seconds from power-on until systemd was `running`; None before that."""
    ssh_seconds: float | None = None
    """Seconds from power-on until the first SSH login."""
    reboots: int = 0
    """Boots that were restarted because the guest had panicked, or hung in its firmware."""


@dataclass(frozen=True)
class ClockOffset:
    """How far a guest's clock is ahead of the host's, and the error of that value, in seconds."""

    seconds: float
    doubt: float

    def fits(self, tolerance: float) -> bool:
        """Whether the two agree within `tolerance` seconds, as far as the error permits."""
        return abs(self.seconds) <= max(tolerance, self.doubt)


class Console(Protocol):
    """The serial console, as a file that grows."""

    @property
    def path(self) -> Path: ...

    def mark(self) -> int:
        """Its current end."""
        ...

    def wait_for(self, pattern: str, deadline: Deadline, from_mark: int = 0) -> re.Match[str]:
        """Waits until a line since `from_mark` matches the regular expression `pattern`."""
        ...

    def check(
        self,
        from_mark: int = 0,
        kinds: frozenset[Fatal] = frozenset(Fatal),
        allowed_units: frozenset[str] = frozenset(),
    ) -> None:
        """Raises MachineDied if there is a fatal line of one of `kinds` since `from_mark`."""
        ...


class PowerControl(Protocol):
    """Power control and its state."""

    @property
    def name(self) -> str: ...

    @property
    def state(self) -> PowerState: ...

    @property
    def is_on(self) -> bool:
        """Whether it is running or paused."""
        ...

    @property
    def record(self) -> BootRecord:
        """The record of its boots."""
        ...

    @property
    def reboots(self) -> int:
        """Boots that were repeated because the emulator had crashed the guest."""
        ...

    def boot(self, deadline: Deadline) -> None:
        """Prepares its disks, switches it on, waits until it is up."""
        ...

    def boot_with_retry(self, deadline: Deadline, allowed_units: Collection[str] = ()) -> None:
        """Waits until a machine that was switched on or reset is up."""
        ...

    def power_on(self) -> None:
        """Switches it on with the disks that it has."""
        ...

    def power_off(self) -> None:
        """Cuts its power: nothing is synced. No error if it is off."""
        ...

    def reset(self) -> None: ...

    def begin_reset(self, deadline: Deadline) -> None:
        """Presses the reset button; returns when its kernel restarts."""
        ...

    def discard(self) -> None:
        """Aborts its boot, if any, after a failed start of the lab. May be called
        again."""
        ...

    def begin_reboot(self, deadline: Deadline) -> None:
        """Makes the guest reboot cleanly; returns when its kernel restarts."""
        ...

    def reboot(self, deadline: Deadline) -> None:
        """Makes the guest reboot cleanly and waits until it is up again."""
        ...

    def expect_boot(self, mark: int | None = None) -> None:
        """Call this when a boot begins, or with a `mark` on the console after which it began."""
        ...

    def suspend(self) -> None:
        """Pauses its CPUs. No error if they are paused."""
        ...

    def resume(self) -> None:
        """Resumes its CPUs. No error if they run."""
        ...


class StateKeeping(Protocol):
    """Saved states of a machine."""

    def save(self, saved: SavedMachine, deadline: Deadline) -> None:
        """Writes its state to the files of `saved` and switches it off.

        If that fails, the machine may be on or off: use `recover`.
        """
        ...

    def restore(self, saved: SavedMachine) -> None:
        """Continues from `saved`, with overlays over its disks; its CPUs are paused.

        Its clock is behind: see `set_clock`.
        """
        ...

    def recover(self, saved: SavedMachine) -> None:
        """Switches it on again after `save`, complete or not; its CPUs are paused."""
        ...


class GuestClock(Protocol):
    def clock_offset(self, deadline: Deadline) -> ClockOffset: ...

    def set_clock(self, deadline: Deadline) -> float:
        """Sets the guest's clock to the host's; returns the remaining difference in seconds."""
        ...

    def move_clock(self, seconds: float, deadline: Deadline) -> None: ...


class GuestAccess(Protocol):
    """Commands and files in the guest, over the management path, which no fault affects."""

    def run(
        self, command: str, deadline: Deadline | None = None, check: bool = True
    ) -> CommandResult: ...

    def stream(self, command: str, deadline: Deadline) -> subprocess.Popen[bytes]: ...

    def answers(self) -> bool:
        """Whether its SSH server sends its banner within two seconds."""
        ...

    def read(self, path: str, deadline: Deadline | None = None) -> bytes: ...

    def write(self, file: GuestFile, deadline: Deadline | None = None) -> None: ...

    def journal(
        self, unit: str | None = None, *, lines: int = 200, deadline: Deadline | None = None
    ) -> str: ...

    def wait_unit(self, unit: str, deadline: Deadline) -> None: ...

    def testinfra(self) -> Any:
        """The testinfra host of this machine."""
        ...


class Machine(PowerControl, StateKeeping, GuestClock, GuestAccess, Protocol):
    """One machine of a lab."""

    @property
    def arch(self) -> Arch: ...

    @property
    def console(self) -> Console: ...

    def add_files(self, files: Collection[GuestFile]) -> None:
        """Adds `files` to its seed disk. Only before it is switched on for the first time."""
        ...

    def set_carrier(self, mac: str, up: bool) -> None:
        """Plugs the cable of one NIC in or out."""
        ...

    def set_disk_pace(self, disk: str, iops: int | None) -> None:
        """Limits a disk to `iops` operations per second; None removes the limit."""
        ...

    def set_balloon(self, mib: int) -> None:
        """Asks the guest for so much of its memory; 0 gives all of it back.

        It takes what it can spare, over time: see `balloon_mib`.
        """
        ...

    def balloon_mib(self) -> float:
        """MiB of the guest's memory that the hypervisor has now."""
        ...
