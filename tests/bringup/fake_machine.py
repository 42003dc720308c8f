"""Guests that are data, and the handles of their machines."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import DeadlineExceeded, LabError
from edge_lab.core.home import RunDir
from edge_lab.machines import (
    BootRecord,
    ClockOffset,
    CommandResult,
    Fatal,
    PowerState,
    SavedMachine,
)
from edge_lab.provisioning.provision import GuestFile
from edge_lab.topology import Arch

if TYPE_CHECKING:
    from tests.bringup.fake_host import FakeHost


@dataclass
class Guest:
    """What outlives each handle of a machine."""

    power: PowerState = "off"
    memory: dict[str, str] = field(default_factory=dict)
    """Files in memory, by path; gone without power."""
    disk: dict[str, str] = field(default_factory=dict)
    boots: int = 0
    clock_behind: bool = False


@dataclass
class FakeConsole:
    path: Path

    def mark(self) -> int:
        return 0

    def wait_for(self, pattern: str, deadline: Deadline, from_mark: int = 0) -> re.Match[str]:
        raise LabError("the console of a guest that is none stays empty")

    def check(
        self,
        from_mark: int = 0,
        kinds: frozenset[Fatal] = frozenset(Fatal),
        allowed_units: frozenset[str] = frozenset(),
    ) -> None:
        return


HUNG_SECONDS = 10.0
"""Of a boot that nobody ends."""


class FakeMachine:
    """The handle of a `Guest`."""

    def __init__(self, host: FakeHost, run: RunDir, name: str, arch: Arch) -> None:
        self.name = name
        self.arch = arch
        self.console = FakeConsole(run.consoles / f"{name}.log")
        self._host = host
        self._overlay = run.disks / f"{name}.qcow2"

    @property
    def guest(self) -> Guest:
        return self._host.guests[self.name]

    @property
    def state(self) -> PowerState:
        return self.guest.power

    @property
    def is_on(self) -> bool:
        return self.state in ("running", "paused")

    @property
    def record(self) -> BootRecord:
        return BootRecord()

    @property
    def reboots(self) -> int:
        return 0

    # -- power ---------------------------------------------------------------------------

    def boot(self, deadline: Deadline) -> None:
        self._host.do(f"boot {self.name}")
        self._overlay.write_text("an overlay")
        self.power_on()
        self.boot_with_retry(deadline)

    def boot_with_retry(self, deadline: Deadline, allowed_units: Collection[str] = ()) -> None:
        deadline.check(f"{self.name} is up")
        if self.name in self._host.hangs:
            self._hang()

    def _hang(self) -> None:
        try:
            Deadline.after(HUNG_SECONDS).wait_for(f"{self.name} is off", lambda: not self.is_on)
        except DeadlineExceeded:
            self._host.done.append(f"left on {self.name}")
            raise
        raise LabError(f"{self.name} switched itself off during boot")

    def power_on(self) -> None:
        if self.is_on:
            raise LabError(f"{self.name} is on already")
        self.guest.power = "running"
        self.guest.memory = {}
        self.guest.boots += 1

    def power_off(self) -> None:
        self._host.do(f"power off {self.name}")
        self.guest.power = "off"
        self.guest.memory = {}

    def reset(self) -> None:
        self._must_be_on()
        self.guest.memory = {}
        self.guest.boots += 1

    def begin_reboot(self, deadline: Deadline) -> None:
        self.reset()

    def begin_reset(self, deadline: Deadline) -> None:
        self.reset()

    def discard(self) -> None:
        self.power_off()

    def reboot(self, deadline: Deadline) -> None:
        self.reset()

    def expect_boot(self, mark: int | None = None) -> None:
        return

    def suspend(self) -> None:
        self._host.do(f"suspend {self.name}")
        self._must_be_on()
        self.guest.power = "paused"

    def resume(self) -> None:
        self._host.do(f"resume {self.name}")
        self._must_be_on()
        self.guest.power = "running"

    def _must_be_on(self) -> None:
        if not self.is_on:
            raise LabError(f"{self.name} is switched off")

    # -- saved states --------------------------------------------------------------------

    def save(self, saved: SavedMachine, deadline: Deadline) -> None:
        self._host.do(f"save memory {self.name}")
        assert self.state == "paused", "a whole lab is saved at one point in time"
        saved.memory.write_text(json.dumps({"memory": self.guest.memory, "disk": self.guest.disk}))
        self.guest.power = "off"
        self.guest.memory = {}
        self._host.do(f"save disk {self.name}")
        saved.disk.write_text(json.dumps({"disk": self.guest.disk}))
        saved.seed.write_text(self.name)

    def restore(self, saved: SavedMachine) -> None:
        self._host.do(f"restore {self.name}")
        if saved.seed.read_text() != self.name:
            raise LabError(f"{saved.seed} is that of another machine")
        self.guest.disk = json.loads(saved.disk.read_text())["disk"]
        self._overlay.write_text("an overlay")
        self._load(saved.memory)

    def recover(self, saved: SavedMachine) -> None:
        self._host.do(f"recover {self.name}")
        if not self.is_on:
            self._load(saved.memory)

    def _load(self, memory: Path) -> None:
        if self.is_on:
            raise LabError(f"{self.name} is on already")
        content = json.loads(memory.read_text())
        if content["disk"] != self.guest.disk:
            raise LabError(f"{self.name}: memory and disk are of two times")
        self.guest.memory = content["memory"]
        self.guest.power = "paused"
        self.guest.clock_behind = True

    # -- inside --------------------------------------------------------------------------

    def clock_offset(self, deadline: Deadline) -> ClockOffset:
        return ClockOffset(-60.0 if self.guest.clock_behind else 0.0, 0.0)

    def set_clock(self, deadline: Deadline) -> float:
        self._host.do(f"set clock {self.name}")
        self.guest.clock_behind = False
        return 0.0

    def move_clock(self, seconds: float, deadline: Deadline) -> None:
        return

    def add_files(self, files: Collection[GuestFile]) -> None:
        if self.is_on:
            raise LabError(f"{self.name} is on already")

    def run(
        self, command: str, deadline: Deadline | None = None, check: bool = True
    ) -> CommandResult:
        if self.state != "running":
            raise LabError(f"{self.name} does not answer")
        return CommandResult(command, 0, "", "")

    def stream(self, command: str, deadline: Deadline) -> subprocess.Popen[bytes]:
        raise LabError("there is no guest to run anything in")

    def answers(self) -> bool:
        return self.state == "running"

    def read(self, path: str, deadline: Deadline | None = None) -> bytes:
        self.run(f"cat {path}", deadline)
        files = self.guest.memory if path.startswith("/run/") else self.guest.disk
        if path not in files:
            raise LabError(f"{self.name}: {path}: No such file or directory")
        return files[path].encode()

    def write(self, file: GuestFile, deadline: Deadline | None = None) -> None:
        self.run(f"cat > {file.path}", deadline)
        files = self.guest.memory if file.path.startswith("/run/") else self.guest.disk
        files[file.path] = file.content.decode()

    def journal(
        self, unit: str | None = None, *, lines: int = 200, deadline: Deadline | None = None
    ) -> str:
        return f"the journal of {self.name}"

    def wait_unit(self, unit: str, deadline: Deadline) -> None:
        return

    def testinfra(self) -> Any:
        raise LabError("there is no guest to look into")

    def set_carrier(self, mac: str, up: bool) -> None:
        return

    def set_disk_pace(self, disk: str, iops: int | None) -> None:
        return

    def set_balloon(self, mib: int) -> None:
        return

    def balloon_mib(self) -> float:
        return 0.0
