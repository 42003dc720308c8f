"""One machine of the lab, run by libvirt: its parts, and what takes more than one of them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.core.home import RunDir
from edge_lab.machines.api import BootRecord, ClockOffset, PowerState, SavedMachine
from edge_lab.machines.booting import FIRST_LINE, BootRecordFile, BootWatch
from edge_lab.machines.clock import ShellClock
from edge_lab.machines.console import ConsoleLog
from edge_lab.machines.counter import host_tsc_khz
from edge_lab.machines.daemon import LibvirtDaemon
from edge_lab.machines.disk import create_overlay, flatten_overlay
from edge_lab.machines.domain import DomainFiles, domain_xml
from edge_lab.machines.guest import AcceleratorName, GuestSpec
from edge_lab.machines.keys import LabKeys
from edge_lab.machines.libvirt_domain import LibvirtDomain
from edge_lab.machines.riscv_timers import rearm_timers
from edge_lab.machines.seed import guest_seed
from edge_lab.machines.shell import GuestShell
from edge_lab.machines.ssh import CommandResult, SshClient
from edge_lab.provisioning.provision import GuestFile
from edge_lab.topology import Arch


@dataclass
class LibvirtMachine:
    """A machine that libvirt runs for the lab.

    It is made from its spec, and needs nothing else: another process that knows the spec
    and has attached to the daemon can go on with it.
    """

    spec: GuestSpec
    run_dir: RunDir
    daemon: LibvirtDaemon
    accelerator: AcceleratorName = "tcg"
    console: ConsoleLog = field(init=False)
    domain: LibvirtDomain = field(init=False, repr=False)
    shell: GuestShell = field(init=False, repr=False)
    clock: ShellClock = field(init=False, repr=False)
    boots: BootWatch = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.console = ConsoleLog(self.name, self.files.console)
        self.domain = LibvirtDomain(self.name, self.spec.uuid, self.daemon, self.console.path)
        client = SshClient(self.run_dir, self.name, self.spec.ssh_port)
        self.shell = GuestShell(self.run_dir, client, self.console)
        self.clock = ShellClock(self.shell)
        record = BootRecordFile(self.run_dir.consoles / f"{self.name}.json")
        self.boots = BootWatch(self.console, self.shell, self.domain, record)

    # -- what it is ----------------------------------------------------------------------

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def arch(self) -> Arch:
        return self.spec.arch

    @property
    def files(self) -> DomainFiles:
        """Its files in the run directory."""
        return DomainFiles(
            overlay=self.run_dir.disks / f"{self.name}.qcow2",
            seed=self.run_dir.disks / f"{self.name}.seed.tar",
            console=self.run_dir.consoles / f"{self.name}.log",
            console_socket=self.run_dir.short / "consoles" / f"{self.name}.sock",
            debugger=self.run_dir.short / "consoles" / f"{self.name}.gdb",
        )

    @property
    def record(self) -> BootRecord:
        return self.boots.record

    @property
    def boot_seconds(self) -> float | None:
        return self.record.boot_seconds

    @property
    def reboots(self) -> int:
        return self.record.reboots

    # -- preparation ---------------------------------------------------------------------

    def prepare(self) -> None:
        """Writes the seed disk and an empty overlay over the root image."""
        self.write_seed()
        create_overlay(self.files.overlay, self.spec.image.disk, "raw")

    def add_files(self, files: Collection[GuestFile]) -> None:
        """Puts `files` on its seed disk too. Only before it is switched on the first time."""
        if self.is_on:
            raise LabError(f"{self.name} is already running and would not see new files")
        self.spec = replace(self.spec, files=(*self.spec.files, *files))

    def write_seed(self) -> None:
        """Writes the seed disk; the guest unpacks it at its next boot."""
        self.files.seed.parent.mkdir(parents=True, exist_ok=True)
        draft = self.files.seed.with_suffix(".part")
        draft.touch(mode=0o600)
        draft.write_bytes(guest_seed(self.spec, LabKeys(self.run_dir.keys), self.accelerator))
        draft.replace(self.files.seed)

    def xml(self) -> str:
        """The libvirt domain that it is."""
        return domain_xml(
            self.spec,
            self.files,
            self.run_dir.path,
            self.accelerator,
            self.daemon.emulator(self.arch),
            host_tsc_khz(),
        )

    # -- power ---------------------------------------------------------------------------

    @property
    def is_on(self) -> bool:
        """Whether it is running or paused."""
        return self.domain.is_on

    @property
    def state(self) -> PowerState:
        return self.domain.state

    def start(self) -> None:
        """Prepares it and switches it on; `boot` waits too."""
        self.prepare()
        self.power_on()

    def power_on(self) -> None:
        """Switches it on with the disks that it has."""
        self._make_room()
        self.boots.expect_boot()
        self.domain.create(self.xml())

    def _make_room(self) -> None:
        """The folder of its consoles, without the sockets of an earlier QEMU."""
        self.run_dir.consoles.mkdir(parents=True, exist_ok=True)
        for stale in (self.files.console_socket, self.files.debugger):
            stale.unlink(missing_ok=True)

    def power_off(self) -> None:
        """Pulls the plug: no shutdown, nothing is synced. No error if it is off."""
        self.shell.disconnect()
        if self.domain.destroy():
            self.files.console_socket.unlink(missing_ok=True)

    def reset(self) -> None:
        """Presses the reset button: the guest starts anew, QEMU stays."""
        self.boots.reset()

    def begin_reset(self, deadline: Deadline) -> None:
        """Presses the reset button; returns when the guest's kernel begins anew."""
        mark = self.console.mark()
        self.reset()
        self.console.wait_for(FIRST_LINE, deadline, mark)

    def discard(self) -> None:
        """Pulls the plug: the lab is not going to be."""
        self.power_off()

    def suspend(self) -> None:
        """Stops its CPUs where they are. No error if they are stopped."""
        self.domain.suspend()

    def resume(self) -> None:
        """Lets its CPUs go on. No error if they run."""
        if self.state != "running":  # libvirt refuses to resume what runs
            self.domain.resume()

    # -- boots ---------------------------------------------------------------------------

    def boot(self, deadline: Deadline) -> None:
        """Prepares, switches on and waits; one panic on the way is forgiven and counted."""
        self.start()
        self.boot_with_retry(deadline)

    def boot_with_retry(self, deadline: Deadline, allowed_units: Collection[str] = ()) -> None:
        """Waits until it is up; if it dies of the emulator, it is reset once, and counted."""
        self.boots.boot_with_retry(deadline, allowed_units)

    def reboot(self, deadline: Deadline) -> None:
        """Lets the guest reboot in good order and waits until it is up again."""
        self.begin_reboot(deadline)
        self.boot_with_retry(deadline)

    def begin_reboot(self, deadline: Deadline) -> None:
        """Lets the guest reboot in good order; returns when its kernel begins anew."""
        self.boots.begin_reboot(deadline)

    def expect_boot(self, mark: int | None = None) -> None:
        """A boot begins now, or has begun after `mark` of the console."""
        self.boots.expect_boot(mark)

    # -- cables and disks ----------------------------------------------------------------

    def set_carrier(self, mac: str, up: bool) -> None:
        """Plugs the cable of one NIC in or out: the guest's driver sees the carrier.

        The management NIC has no such switch, on purpose.
        """
        for index, nic in enumerate(self.spec.nics):
            if nic.mac == mac:
                self.domain.set_carrier(nic, index, up)
                return
        raise LabError(f"{self.name} has no NIC {mac} on a link")

    def set_disk_pace(self, disk: str, iops: int | None) -> None:
        """Lets a disk (vda is the root's) do no more than `iops` operations a second, or any."""
        self.domain.set_disk_pace(disk, iops)

    # -- saved states --------------------------------------------------------------------

    def save(self, saved: SavedMachine, deadline: Deadline) -> None:
        """Writes its state to the files of `saved` and switches it off.

        Ports of the machine may change until `restore`. If this fails, `recover` brings the
        machine back.
        """
        self.shell.disconnect()
        self.domain.save(saved.memory)
        self.files.console_socket.unlink(missing_ok=True)
        flatten_overlay(self.files.overlay, self.spec.image.disk, saved.disk, deadline)
        shutil.copyfile(self.files.seed, saved.seed)
        saved.seed.chmod(0o600)

    def restore(self, saved: SavedMachine) -> None:
        """Goes on from `saved`, with the ports of today's spec; its CPUs are paused.

        Its root disk is an overlay over that of `saved`, which is not written to. Its clock is
        behind: see `set_clock`.
        """
        create_overlay(self.files.overlay, saved.disk, "qcow2")
        shutil.copyfile(saved.seed, self.files.seed)
        self._load(saved.memory)

    def recover(self, saved: SavedMachine) -> None:
        """After `save`, whole or not: on again as it was before, its CPUs paused.

        Its disks are as they were: `save` only reads them. A save that fails before the memory is
        written leaves the domain on.

        Raises:
            LabError: it is off, and its memory was not saved whole.
        """
        if not self.is_on:
            self._load(saved.memory)

    def _load(self, memory: Path) -> None:
        self._make_room()
        self.boots.expect_restore()
        self.domain.restore(memory, self.xml())
        if self.arch is Arch.RISCV64 and self.accelerator == "tcg":
            rearm_timers(self.files.debugger, self.spec.node.cpus)

    # -- its clock: ShellClock -----------------------------------------------------------

    def clock_offset(self, deadline: Deadline) -> ClockOffset:
        """How far the guest's clock is before the host's."""
        return self.clock.clock_offset(deadline)

    def set_clock(self, deadline: Deadline) -> float:
        """Sets the guest's clock to the host's. Returns what is left between them, seconds."""
        return self.clock.set_clock(deadline)

    def move_clock(self, seconds: float, deadline: Deadline) -> None:
        """Moves the guest's clock by `seconds`."""
        self.clock.move_clock(seconds, deadline)

    # -- inside: GuestShell --------------------------------------------------------------

    def run(
        self, command: str, deadline: Deadline | None = None, check: bool = True
    ) -> CommandResult:
        """Runs a shell command as root over the management path; without a deadline, a minute."""
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
        """Puts a file into the running guest, whole or not at all; its folder is made."""
        self.shell.write(file, deadline)

    def journal(
        self, unit: str | None = None, *, lines: int = 200, deadline: Deadline | None = None
    ) -> str:
        """The last lines of the guest's journal, or of one unit's part of it."""
        return self.shell.journal(unit, lines=lines, deadline=deadline)

    def wait_unit(self, unit: str, deadline: Deadline) -> None:
        """Waits until a systemd unit is active; at once a LabError when it has failed."""
        self.shell.wait_unit(unit, deadline)

    def testinfra(self) -> Any:
        """The testinfra host of this machine, over the same connection."""
        return self.shell.testinfra()
