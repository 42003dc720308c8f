"""A machine of the lab that libvirt runs: its parts, and operations that use several of them."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from pathlib import Path

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.core.home import RunDir
from edge_lab.machines.api import BootRecord, PowerState, SavedMachine
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
from edge_lab.machines.shellaccess import ShellAccess
from edge_lab.machines.ssh import SshClient
from edge_lab.provisioning.provision import GuestFile
from edge_lab.topology import Arch


@dataclass
class LibvirtMachine(ShellAccess):
    """A machine that libvirt runs for the lab.

    It is created from its specification and needs nothing else, so that another process that is
    attached to the daemon can continue with it.
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

    # -- Identity ------------------------------------------------------------------------

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

    # -- Preparation ---------------------------------------------------------------------

    def prepare(self) -> None:
        """Writes the seed disk and an empty overlay over the root image."""
        self.write_seed()
        create_overlay(self.files.overlay, self.spec.image.disk, "raw")

    def add_files(self, files: Collection[GuestFile]) -> None:
        """Adds `files` to its seed disk. Only before it is switched on for the first time."""
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
        """The XML of its libvirt domain."""
        return domain_xml(
            self.spec,
            self.files,
            self.run_dir.path,
            self.accelerator,
            self.daemon.emulator(self.arch),
            host_tsc_khz(),
        )

    # -- Power ---------------------------------------------------------------------------

    @property
    def is_on(self) -> bool:
        """Whether it is running or paused."""
        return self.domain.is_on

    @property
    def state(self) -> PowerState:
        return self.domain.state

    def start(self) -> None:
        """Prepares it and switches it on; `boot` also waits."""
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
        """Cuts its power: no shutdown, nothing is synced. No error if it is off."""
        self.shell.disconnect()
        if self.domain.destroy():
            self.files.console_socket.unlink(missing_ok=True)

    def reset(self) -> None:
        """Presses the reset button: the guest restarts, QEMU keeps running."""
        self.boots.reset()

    def begin_reset(self, deadline: Deadline) -> None:
        """Presses the reset button; returns when the guest's kernel restarts."""
        mark = self.console.mark()
        self.reset()
        self.console.wait_for(FIRST_LINE, deadline, mark)

    def discard(self) -> None:
        """Cuts its power, after a failed start of the lab."""
        self.power_off()

    def suspend(self) -> None:
        """Stops its CPUs. No error if they are stopped."""
        self.domain.suspend()

    def resume(self) -> None:
        """Resumes its CPUs. No error if they run."""
        if self.state != "running":  # libvirt refuses to resume a running domain
            self.domain.resume()

    # -- Boots ---------------------------------------------------------------------------

    def boot(self, deadline: Deadline) -> None:
        """Prepares it, switches it on and waits; restarts it after one panic, and counts that."""
        self.start()
        self.boot_with_retry(deadline)

    def boot_with_retry(self, deadline: Deadline, allowed_units: Collection[str] = ()) -> None:
        """Waits until it is up; resets it once after a failure of the emulator, and counts that."""
        self.boots.boot_with_retry(deadline, allowed_units)

    def reboot(self, deadline: Deadline) -> None:
        """Makes the guest reboot cleanly and waits until it is up again."""
        self.begin_reboot(deadline)
        self.boot_with_retry(deadline)

    def begin_reboot(self, deadline: Deadline) -> None:
        """Makes the guest reboot cleanly; returns when its kernel restarts."""
        self.boots.begin_reboot(deadline)

    def expect_boot(self, mark: int | None = None) -> None:
        """Call this when a boot begins, or with a `mark` on the console after which it began."""
        self.boots.expect_boot(mark)

    # -- Cables and disks ----------------------------------------------------------------

    def set_carrier(self, mac: str, up: bool) -> None:
        """Plugs the cable of one NIC in or out: the guest's driver sees the carrier.

        There is deliberately no such switch for the management NIC.
        """
        for index, nic in enumerate(self.spec.nics):
            if nic.mac == mac:
                self.domain.set_carrier(nic, index, up)
                return
        raise LabError(f"{self.name} has no NIC {mac} on a link")

    def set_disk_pace(self, disk: str, iops: int | None) -> None:
        """Limits a disk (vda is the root disk) to `iops` operations per second; None: no limit."""
        self.domain.set_disk_pace(disk, iops)

    # -- Memory --------------------------------------------------------------------------

    def set_balloon(self, mib: int) -> None:
        """Asks the guest for so much of its memory; 0 gives all of it back.

        The target outlasts a reset, and ends when the machine is switched off.
        """
        self.domain.set_memory(self.spec.node.memory - mib)

    def balloon_mib(self) -> float:
        """MiB of the guest's memory that the hypervisor has now."""
        return self.spec.node.memory - self.domain.memory_mib()

    # -- Saved states --------------------------------------------------------------------

    def save(self, saved: SavedMachine, deadline: Deadline) -> None:
        """Writes its state to the files of `saved` and switches it off.

        Ports of the machine may change until `restore`. If this fails, use `recover` to resume the
        machine.
        """
        self.shell.disconnect()
        self.domain.save(saved.memory)
        self.files.console_socket.unlink(missing_ok=True)
        flatten_overlay(self.files.overlay, self.spec.image.disk, saved.disk, deadline)
        shutil.copyfile(self.files.seed, saved.seed)
        saved.seed.chmod(0o600)

    def restore(self, saved: SavedMachine) -> None:
        """Continues from `saved`, with the ports of the current specification; its CPUs are paused.

        Its root disk is an overlay over that of `saved`, which is not written to. Its clock is
        behind: see `set_clock`.
        """
        create_overlay(self.files.overlay, saved.disk, "qcow2")
        shutil.copyfile(saved.seed, self.files.seed)
        self._load(saved.memory)

    def recover(self, saved: SavedMachine) -> None:
        """Switches it on again after `save`, complete or not; its CPUs are paused.

        Its disks are unchanged: `save` only reads them. A save that fails before the memory is
        written leaves the domain on.

        Raises:
            LabError: it is off, and its memory was not saved completely.
        """
        if not self.is_on:
            self._load(saved.memory)

    def _load(self, memory: Path) -> None:
        self._make_room()
        self.boots.expect_restore()
        self.domain.restore(memory, self.xml())
        if self.arch is Arch.RISCV64 and self.accelerator == "tcg":
            rearm_timers(self.files.debugger, self.spec.node.cpus)
