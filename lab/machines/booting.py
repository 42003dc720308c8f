"""The boots of one machine: start, success or failure, and their record."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Collection
from dataclasses import asdict, replace
from pathlib import Path
from typing import Protocol

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import DeadlineExceeded, LabError
from edge_lab.core.speed import speed_factor
from edge_lab.core.step import step
from edge_lab.machines.api import BootRecord
from edge_lab.machines.console import ConsoleLog, Fatal, FatalLine, MachineDied
from edge_lab.machines.shell import GuestShell
from edge_lab.machines.ssh import Unreachable

RETRIES = 1
"""Restarts of a boot after a panic or a hanging firmware, which races in QEMU cause; a machine that
fails twice is broken."""

SETTLE_SECONDS = 10
"""Seconds for systemd to report that it is done; then the console is checked before the next try.
"""

FIRST_LINE = "Linux version"

SILENT_SECONDS = 60.0
"""Seconds from power-on to the kernel's first line on the reference machine; usually 1 to 4."""


class Switch(Protocol):
    """The part of a machine's power control that boots need."""

    @property
    def is_on(self) -> bool: ...

    def reset(self) -> None: ...


class BootRecordFile:
    """The BootRecord of one machine in a file, for processes that attach to the lab later."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> BootRecord:
        with contextlib.suppress(OSError, ValueError, TypeError):
            return BootRecord(**json.loads(self._path.read_text()))
        return BootRecord()

    def write(self, record: BootRecord) -> None:
        draft = self._path.with_suffix(".part")
        draft.write_text(json.dumps(asdict(record)))
        draft.replace(self._path)


_RESTART = "restart "
"""Prefix of the titles of steps that reset a machine."""


def restarted(title: str) -> str:
    """Machine and reason, from the title of a step that restarts it after its emulation failed.
    Empty for any other step."""
    machine, after, kind = title.removeprefix(_RESTART).partition(" after ")
    known = after and kind in (Fatal.PANIC, Fatal.SILENT)
    return f"{machine}: {kind}" if title.startswith(_RESTART) and known else ""


class BootWatch:
    """Waits for the boots of one machine, by its console and by its shell."""

    def __init__(
        self, console: ConsoleLog, shell: GuestShell, switch: Switch, record: BootRecordFile
    ) -> None:
        self._name = shell.name
        self._console = console
        self._shell = shell
        self._switch = switch
        self._record = record
        self.mark = console.mark()
        """The position on the console where the current boot begins."""
        self._powered_on: float | None = None
        """When the current boot began; None if this process does not know."""

    @property
    def record(self) -> BootRecord:
        """The record of its boots."""
        return self._record.read()

    # -- Start of a boot -----------------------------------------------------------------

    def expect_boot(self, mark: int | None = None) -> None:
        """Call this when a boot begins, or with a `mark` on the console after which it began.

        For tests that reboot the guest in another way: later waits check the console only from
        there.
        """
        self._shell.disconnect()
        self.mark = self._console.mark() if mark is None else mark
        self._powered_on = time.monotonic()

    def expect_restore(self) -> None:
        """Call this when it resumes from a saved state: as `expect_boot`, but no boot is timed."""
        self.expect_boot()
        self._powered_on = None

    def reset(self) -> None:
        """Presses the reset button: the guest restarts, QEMU keeps running."""
        self.expect_boot()
        self._switch.reset()

    def begin_reboot(self, deadline: Deadline) -> None:
        """Makes the guest reboot cleanly; returns when its kernel restarts."""
        mark = self._console.mark()
        # systemd stops sshd, too, so the answer may be lost.
        with contextlib.suppress(Unreachable, DeadlineExceeded):
            self._shell.run("systemctl --no-block reboot", deadline.within(30), check=False)
        self._console.wait_for(f"reboot: |{FIRST_LINE}", deadline, mark)
        self.expect_boot(mark)

    # -- End of a boot -------------------------------------------------------------------

    def boot_with_retry(self, deadline: Deadline, allowed_units: Collection[str] = ()) -> None:
        """Like `wait_booted`, but resets a machine once if it fails due to the emulator.

        In about one of twenty boots of amd64, QEMU's threaded emulation loses a race with a guest
        that patches its own code (a panic).  After about one of fifty resets, riscv64 prints
        nothing for minutes (silence).  `BootRecord.reboots` counts both.
        """
        for retries_left in range(RETRIES, -1, -1):
            try:
                self.wait_booted(deadline, allowed_units)
            except MachineDied as death:
                if death.fatal.kind not in (Fatal.PANIC, Fatal.SILENT) or not retries_left:
                    raise
                self._record.write(replace(self.record, reboots=self.record.reboots + 1))
                with step(f"{_RESTART}{self._name} after {death.fatal.kind}"):
                    self.reset()
            else:
                return

    def wait_booted(self, deadline: Deadline, allowed_units: Collection[str] = ()) -> None:
        """Waits until an SSH login succeeds and systemd reports `running`.

        The console is watched meanwhile: a panic, an out-of-memory kill or a unit that
        fails to start ends the wait immediately, with that line.  So does the state `degraded`,
        with the journal of the failed units.  Units in `allowed_units` may fail.
        """
        allowed = frozenset(allowed_units)

        patience = SILENT_SECONDS * speed_factor()

        def watch() -> None:
            self._console.check(self.mark, allowed_units=allowed)
            if (self._seconds_since_power_on or 0.0) > patience and not self._has_begun():
                fatal = FatalLine(Fatal.SILENT, f"no line of the kernel after {patience:.0f} s")
                raise MachineDied(self._name, fatal, self._console.path)
            if not self._switch.is_on:
                raise LabError(
                    f"{self._name} switched itself off during boot",
                    remedy=f"Console: {self._console.path}",
                )

        deadline.wait_for(
            f"{self._name} answers to SSH",
            self._shell.answers,
            every=0.25,
            watch=watch,
        )
        deadline.wait_for(
            f"{self._name} accepts an SSH login",
            lambda: self._quiet("true", deadline),
            transient=(Unreachable,),
            watch=watch,
        )
        ssh_seconds = self._seconds_since_power_on
        state = deadline.wait_for(
            f"{self._name} is up",
            lambda: self._settled(deadline, allowed),
            every=0.5,
            transient=(Unreachable,),
            watch=watch,
        )
        if state != "running":
            self._raise_failed(state, deadline)
        boot_seconds = self._seconds_since_power_on
        if ssh_seconds is not None and boot_seconds is not None:
            self._record.write(
                replace(
                    self.record,
                    ssh_seconds=round(ssh_seconds, 1),
                    boot_seconds=round(boot_seconds, 1),
                )
            )

    @property
    def _seconds_since_power_on(self) -> float | None:
        return None if self._powered_on is None else time.monotonic() - self._powered_on

    def _has_begun(self) -> bool:
        return FIRST_LINE in self._console.text(self.mark)

    def _quiet(self, command: str, deadline: Deadline) -> bool:
        # A login may hang with an emulated guest; then a second attempt is better than waiting.
        return self._shell.run(command, deadline.within(60), check=False).ok

    # -- State of systemd ----------------------------------------------------------------

    def _settled(self, deadline: Deadline, allowed: frozenset[str]) -> str | None:
        """systemd's state once it is final; None until then.

        Lets systemd wait: each check would start a process on an emulated CPU.
        """
        command = f"timeout {SETTLE_SECONDS} systemctl is-system-running --wait"
        said = self._shell.run(command, deadline, check=False).stdout.strip()
        if said in {"running", "maintenance"}:
            return said
        if said == "degraded":
            failed = self._failed_units(deadline)
            return "running" if failed and failed <= allowed else "degraded"
        return None

    def _failed_units(self, deadline: Deadline) -> frozenset[str]:
        listed = self._shell.run("systemctl --failed --plain --no-legend --no-pager", deadline)
        return frozenset(line.split()[0] for line in listed.stdout.splitlines() if line.strip())

    def _raise_failed(self, state: str, deadline: Deadline) -> None:
        units = sorted(self._failed_units(deadline))
        tails = "".join(f"\n{unit}:\n{self._shell.journal(unit, lines=15)}" for unit in units)
        raise LabError(
            f"{self._name} booted but is {state}: {', '.join(units) or 'unknown reason'}{tails}"
        )
