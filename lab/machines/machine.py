"""One machine of the lab: power, cables, commands, files, console, saved states."""

from __future__ import annotations

import contextlib
import itertools
import json
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import libvirt

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import DeadlineExceeded, LabError
from edge_lab.core.home import RunDir
from edge_lab.core.speed import speed_factor
from edge_lab.core.step import step
from edge_lab.machines.api import BootRecord, ClockOffset, PowerState, SavedMachine
from edge_lab.machines.console import ConsoleLog, Fatal, FatalLine, MachineDied
from edge_lab.machines.counter import host_tsc_khz
from edge_lab.machines.daemon import LibvirtDaemon
from edge_lab.machines.disk import create_overlay, flatten_overlay
from edge_lab.machines.domain import DomainFiles, domain_xml, wire_xml
from edge_lab.machines.guest import AcceleratorName, GuestSpec
from edge_lab.machines.keys import LabKeys
from edge_lab.machines.riscv_timers import rearm_timers
from edge_lab.machines.seed import guest_seed
from edge_lab.machines.ssh import CommandResult, SshClient, Unreachable
from edge_lab.provisioning.provision import GuestFile
from edge_lab.topology import Arch

_T = TypeVar("_T")

CLOCK_TOLERANCE = 0.25
"""Seconds of difference to the host's clock that `set_clock` is content with at once."""

CLOCK_LIMIT = 2.0
"""Seconds of difference that are left on a busy host at times; more is a broken machine."""

CLOCK_LOOKS = 3
CLOCK_CORRECTIONS = 2

RETRIES = 1
"""Boots that are started again after a panic or a hanging firmware: QEMU's races are ours, but
a machine that fails twice is broken."""

SETTLE_SECONDS = 10
"""For systemd to say that it has started all; then the console is looked at, and it is asked again.
"""

FIRST_LINE = "Linux version"

SILENT_SECONDS = 60.0
"""From power-on to the kernel's first line, on the reference machine; one to four are usual."""


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
    _ssh: SshClient = field(init=False, repr=False)
    _boot_mark: int = field(init=False, default=0, repr=False)
    _powered_on: float | None = field(init=False, default=None, repr=False)
    """When the boot began that is waited for; None if it is not known here."""

    def __post_init__(self) -> None:
        self.console = ConsoleLog(self.name, self.files.console)
        self._ssh = SshClient(self.run_dir, self.name, self.spec.ssh_port)
        self._boot_mark = self.console.mark()

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
        with contextlib.suppress(OSError, ValueError, TypeError):
            return BootRecord(**json.loads(self._record_path.read_text()))
        return BootRecord()

    @property
    def boot_seconds(self) -> float | None:
        return self.record.boot_seconds

    @property
    def reboots(self) -> int:
        return self.record.reboots

    @property
    def _record_path(self) -> Path:
        return self.run_dir.consoles / f"{self.name}.json"

    def _remember(self, record: BootRecord) -> None:
        draft = self._record_path.with_suffix(".part")
        draft.write_text(json.dumps(asdict(record)))
        draft.replace(self._record_path)

    # -- preparation ---------------------------------------------------------------------

    def prepare(self) -> None:
        """Writes the seed disk and an empty overlay over the root image."""
        self.write_seed()
        create_overlay(self.files.overlay, self.spec.image.disk, "raw")

    def add_files(self, files: Collection[GuestFile]) -> None:
        """Puts `files` on its seed disk too. Only before it is switched on the first time."""
        if self.is_on:
            raise LabError(f"{self.name} is on already: it would not see new files")
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

    def start(self) -> None:
        """Prepares it and switches it on; `boot` waits too."""
        self.prepare()
        self.power_on()

    def power_on(self) -> None:
        """Switches it on with the disks that it has."""
        self._before_power()
        _libvirt(f"cannot start {self.name}", self.daemon.connection.createXML, self.xml(), 0)

    def _before_power(self) -> None:
        self.run_dir.consoles.mkdir(parents=True, exist_ok=True)
        for stale in (self.files.console_socket, self.files.debugger):
            stale.unlink(missing_ok=True)
        self.expect_boot()

    def power_off(self) -> None:
        """Pulls the plug: no shutdown, nothing is synced. No error if it is off."""
        self._ssh.disconnect()
        domain = self._domain_or_none()
        if domain is not None:
            with contextlib.suppress(libvirt.libvirtError):
                domain.destroy()
            self.files.console_socket.unlink(missing_ok=True)

    def reset(self) -> None:
        """Presses the reset button: the guest starts anew, QEMU stays."""
        self.expect_boot()
        _libvirt(f"cannot reset {self.name}", self._domain.reset, 0)

    def reboot(self, deadline: Deadline) -> None:
        """Lets the guest reboot in good order and waits until it is up again."""
        self.begin_reboot(deadline)
        self.boot_with_retry(deadline)

    def begin_reboot(self, deadline: Deadline) -> None:
        """Lets the guest reboot in good order; returns when its kernel begins anew."""
        mark = self.console.mark()
        # systemd ends its services first; the answer may not come through.
        with contextlib.suppress(Unreachable, DeadlineExceeded):
            self.run("systemctl --no-block reboot", deadline.within(30), check=False)
        self.console.wait_for(f"reboot: |{FIRST_LINE}", deadline, mark)
        self.expect_boot(mark)

    def expect_boot(self, mark: int | None = None) -> None:
        """A boot begins now, or has begun after `mark` of the console.

        For a test that makes the guest reboot in its own way: the waits that follow judge
        the console from there on.
        """
        self._ssh.disconnect()
        self._boot_mark = self.console.mark() if mark is None else mark
        self._powered_on = time.monotonic()

    def suspend(self) -> None:
        """Stops its CPUs where they are."""
        _libvirt(f"cannot pause {self.name}", self._domain.suspend)

    def resume(self) -> None:
        """Lets its CPUs go on."""
        _libvirt(f"cannot resume {self.name}", self._domain.resume)

    @property
    def is_on(self) -> bool:
        """Whether it is running or paused."""
        domain = self._domain_or_none()
        return domain is not None and bool(domain.isActive())

    @property
    def state(self) -> PowerState:
        domain = self._domain_or_none()
        if domain is None:
            return "off"
        number = _libvirt(f"no state of {self.name}", domain.state)[0]
        known: dict[int, PowerState] = {
            libvirt.VIR_DOMAIN_RUNNING: "running",
            libvirt.VIR_DOMAIN_BLOCKED: "running",
            libvirt.VIR_DOMAIN_PAUSED: "paused",
            libvirt.VIR_DOMAIN_CRASHED: "crashed",
        }
        return known.get(number, "off")

    # -- cables --------------------------------------------------------------------------

    def set_carrier(self, mac: str, up: bool) -> None:
        """Plugs the cable of one NIC in or out: the guest's driver sees the carrier.

        The management NIC has no such switch, on purpose.
        """
        for index, nic in enumerate(self.spec.nics):
            if nic.mac == mac:
                _libvirt(
                    f"cannot switch the carrier of {nic.name} on {self.name}",
                    self._domain.updateDeviceFlags,
                    wire_xml(nic, index, carrier=up),
                    libvirt.VIR_DOMAIN_AFFECT_LIVE,
                )
                return
        raise LabError(f"{self.name} has no NIC {mac} on a wire")

    # -- disks ---------------------------------------------------------------------------

    def set_disk_pace(self, disk: str, iops: int | None) -> None:
        """Lets a disk (vda is the root's) do no more than `iops` operations a second, or any."""
        _libvirt(
            f"cannot set the pace of {disk} on {self.name}",
            self._domain.setBlockIoTune,
            disk,
            {"total_iops_sec": iops or 0},
            libvirt.VIR_DOMAIN_AFFECT_LIVE,
        )

    # -- saved states --------------------------------------------------------------------

    def save(self, saved: SavedMachine, deadline: Deadline) -> None:
        """Writes its state to the files of `saved` and switches it off.

        Ports of the machine may change until `restore`. If this fails, `recover` brings the
        machine back.
        """
        self._ssh.disconnect()
        domain = self._domain
        # Paused already when a whole lab is saved; the file says nothing of that.
        flags = libvirt.VIR_DOMAIN_SAVE_PAUSED
        _libvirt(f"cannot save {self.name}", domain.saveFlags, str(saved.memory), None, flags)
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
        self._before_power()
        self._powered_on = None  # It goes on, it does not boot.
        _libvirt(
            f"cannot restore {self.name}",
            self.daemon.connection.restoreFlags,
            str(memory),
            self.xml(),
            libvirt.VIR_DOMAIN_SAVE_PAUSED,
        )
        if self.arch is Arch.RISCV64 and self.accelerator == "tcg":
            rearm_timers(self.files.debugger, self.spec.node.cpus)

    def clock_offset(self, deadline: Deadline) -> ClockOffset:
        """How far the guest's clock is before the host's: the best of a few looks.

        The guest's answer lies somewhere between question and answer, so half of that time
        is what the figure may be off: never more than CLOCK_LIMIT, it is asked until then.

        Raises:
            DeadlineExceeded: the guest is too slow to tell in time.
        """
        best = ClockOffset(0.0, float("inf"))
        for look in itertools.count(1):
            sent = time.time()
            shown = float(self.run("date +%s.%N", deadline).stdout)
            received = time.time()
            seen = ClockOffset(shown - (sent + received) / 2, (received - sent) / 2)
            best = min(best, seen, key=lambda each: each.doubt)
            if best.doubt <= CLOCK_TOLERANCE / 2:
                break
            if look >= CLOCK_LOOKS and best.doubt <= CLOCK_LIMIT:
                break
        return best

    def set_clock(self, deadline: Deadline) -> float:
        """Sets the guest's clock to the host's. Returns what is left between them, seconds."""
        left = self.clock_offset(deadline)
        for _ in range(CLOCK_CORRECTIONS):
            if left.fits(CLOCK_TOLERANCE):
                return left.seconds
            self.move_clock(-left.seconds, deadline)
            left = self.clock_offset(deadline)
        if abs(left.seconds) <= CLOCK_LIMIT:
            return left.seconds
        raise LabError(f"{self.name}: its clock stays {left.seconds:+.2f} s off the host's")

    def move_clock(self, seconds: float, deadline: Deadline) -> None:
        """Moves the guest's clock by `seconds`.

        By, not to: `date` adds them to the time that it finds when it runs, so neither the way
        of the command nor the start of a process on a busy guest counts.
        """
        self.run(f"date -s '{seconds:+.6f} seconds' > /dev/null", deadline)

    # -- waiting -------------------------------------------------------------------------

    def boot(self, deadline: Deadline) -> None:
        """Prepares, switches on and waits; one panic on the way is forgiven and counted."""
        self.start()
        self.boot_with_retry(deadline)

    def boot_with_retry(self, deadline: Deadline, allowed_units: Collection[str] = ()) -> None:
        """`wait_booted`, but a machine that dies of the emulator is reset once, and counted.

        QEMU's threaded emulation loses a race with a guest that patches its own code about
        once in twenty boots of amd64 (a panic).  After about one reset in fifty, riscv64
        prints nothing for minutes (silence).  `reboots` counts both.
        """
        for retries_left in range(RETRIES, -1, -1):
            try:
                self.wait_booted(deadline, allowed_units)
            except MachineDied as death:
                if death.fatal.kind not in (Fatal.PANIC, Fatal.SILENT) or not retries_left:
                    raise
                self._remember(replace(self.record, reboots=self.record.reboots + 1))
                with step(f"{self.name} is started again: {death.fatal.kind}"):
                    self.reset()
            else:
                return

    def wait_booted(self, deadline: Deadline, allowed_units: Collection[str] = ()) -> None:
        """Waits until SSH lets us in and systemd says `running`.

        The console is watched meanwhile: a panic, an out-of-memory kill or a unit that
        fails to start ends the wait at once, with that line.  So does the state `degraded`,
        with the journal of what failed.  Units in `allowed_units` may fail.
        """
        allowed = frozenset(allowed_units)

        patience = SILENT_SECONDS * speed_factor()

        def watch() -> None:
            self.console.check(self._boot_mark, allowed_units=allowed)
            if (self._seconds_since_power_on or 0.0) > patience and not self._has_begun():
                fatal = FatalLine(Fatal.SILENT, f"no line of the kernel after {patience:.0f} s")
                raise MachineDied(self.name, fatal, self.console.path)
            if not self.is_on:
                raise LabError(
                    f"{self.name} has switched itself off while it booted",
                    remedy=f"Console: {self.console.path}",
                )

        deadline.wait_for(
            f"{self.name} answers to SSH",
            self.answers,
            every=0.25,
            watch=watch,
        )
        deadline.wait_for(
            f"{self.name} lets us in",
            lambda: self._quiet("true", deadline),
            transient=(Unreachable,),
            watch=watch,
        )
        ssh_seconds = self._seconds_since_power_on
        state = deadline.wait_for(
            f"{self.name} is up",
            lambda: self._settled(deadline, allowed),
            every=0.5,
            transient=(Unreachable,),
            watch=watch,
        )
        if state != "running":
            self._raise_failed(state, deadline)
        boot_seconds = self._seconds_since_power_on
        if ssh_seconds is not None and boot_seconds is not None:
            self._remember(
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
        return FIRST_LINE in self.console.text(self._boot_mark)

    def wait_ssh(self, deadline: Deadline) -> None:
        """Waits until SSH lets us in, whatever systemd says: for a machine that was restored."""
        deadline.wait_for(
            f"{self.name} lets us in",
            lambda: self._quiet("true", deadline),
            transient=(Unreachable,),
            watch=lambda: self.console.check(self._boot_mark, frozenset({Fatal.PANIC})),
        )

    def _quiet(self, command: str, deadline: Deadline) -> bool:
        # A login in an emulated guest may hang with it; then the next try is the better one.
        return self.run(command, deadline.within(60), check=False).ok

    def _settled(self, deadline: Deadline, allowed: frozenset[str]) -> str | None:
        """systemd's state once there is nothing left to wait for.

        systemd is asked to say when: each look costs an emulated CPU a process.
        """
        command = f"timeout {SETTLE_SECONDS} systemctl is-system-running --wait"
        said = self.run(command, deadline, check=False).stdout.strip()
        if said in {"running", "maintenance"}:
            return said
        if said == "degraded":
            failed = self._failed_units(deadline)
            return "running" if failed and failed <= allowed else "degraded"
        return None

    def _failed_units(self, deadline: Deadline) -> frozenset[str]:
        listed = self.run("systemctl --failed --plain --no-legend --no-pager", deadline)
        return frozenset(line.split()[0] for line in listed.stdout.splitlines() if line.strip())

    def _raise_failed(self, state: str, deadline: Deadline) -> None:
        units = sorted(self._failed_units(deadline))
        tails = "".join(f"\n{unit}:\n{self.journal(unit, lines=15)}" for unit in units)
        raise LabError(
            f"{self.name} came up {state}: {', '.join(units) or 'nobody knows why'}{tails}"
        )

    def wait_unit(self, unit: str, deadline: Deadline) -> None:
        """Waits until a systemd unit is active; at once a LabError when it has failed."""
        show = f"systemctl show -p LoadState,ActiveState,SubState,Result {shlex.quote(unit)}"

        def active() -> bool:
            lines = self.run(show, deadline).stdout.splitlines()
            now = dict(line.split("=", 1) for line in lines if "=" in line)
            if now.get("LoadState") == "not-found":
                raise LabError(f"{self.name} has no unit {unit}")
            if now.get("ActiveState") == "failed":
                raise LabError(
                    f"{self.name}: {unit} has failed ({now.get('Result')}):\n"
                    f"{self.journal(unit, lines=25)}"
                )
            return now.get("ActiveState") == "active"

        mark = self.console.mark()
        deadline.wait_for(
            f"{self.name}: {unit} is active",
            active,
            every=1.0,
            transient=(Unreachable,),
            watch=lambda: self.console.check(mark, frozenset({Fatal.PANIC})),
        )

    # -- inside --------------------------------------------------------------------------

    def run(
        self, command: str, deadline: Deadline | None = None, check: bool = True
    ) -> CommandResult:
        """Runs a shell command as root over the management path.

        Without a deadline it has a minute.  With `check`, an exit code other than 0 is a
        LabError that shows what the command said.
        """
        done = self._ssh.call(command, deadline or Deadline.scaled(60))
        result = CommandResult(
            command,
            done.returncode,
            done.stdout.decode(errors="replace"),
            done.stderr.decode(errors="replace"),
        )
        if check and not result.ok:
            said = (result.stderr or result.stdout).strip()[-2000:]
            raise LabError(f"{self.name}: `{command}` ended with {result.returncode}: {said}")
        return result

    def stream(self, command: str, deadline: Deadline) -> subprocess.Popen[bytes]:
        """Starts a shell command whose output is read while it runs; the caller ends it.

        The deadline is for the connection.
        """
        return self._ssh.stream(command, deadline)

    def answers(self) -> bool:
        """Whether its SSH server greets within two seconds."""
        return self._ssh.answers()

    def read(self, path: str, deadline: Deadline | None = None) -> bytes:
        """The content of a file in the guest."""
        done = self._ssh.call(f"cat -- {shlex.quote(path)}", deadline or Deadline.scaled(60))
        if done.returncode:
            raise LabError(f"{self.name}: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout

    def write(self, file: GuestFile, deadline: Deadline | None = None) -> None:
        """Puts a file into the running guest, whole or not at all; its folder is made.

        It does not survive a reboot if the seed disk has a file at that path.
        """
        path, draft = shlex.quote(file.path), shlex.quote(f"{file.path}.edge-lab")
        folder = shlex.quote(file.path.rpartition("/")[0] or "/")
        command = (
            f"set -e; mkdir -p -- {folder}; umask 077; cat > {draft}; "
            f"chmod {file.mode:o} {draft}; mv -f -- {draft} {path}"
        )
        done = self._ssh.call(command, deadline or Deadline.scaled(60), stdin=file.content)
        if done.returncode:
            raise LabError(
                f"{self.name}: cannot write {file.path}: "
                f"{done.stderr.decode(errors='replace').strip()}"
            )

    def journal(
        self, unit: str | None = None, *, lines: int = 200, deadline: Deadline | None = None
    ) -> str:
        """The last lines of the guest's journal, or of one unit's part of it."""
        only = f" -u {shlex.quote(unit)}" if unit else ""
        command = f"journalctl --no-pager -o short-precise -n {lines}{only}"
        return self.run(command, deadline, check=False).stdout.rstrip()

    def testinfra(self) -> Any:
        """The testinfra host of this machine, over the same connection."""
        import testinfra

        return testinfra.get_host(f"ssh://{self.name}?ssh_config={self.run_dir.ssh_config}")

    # -- libvirt -------------------------------------------------------------------------

    @property
    def _domain(self) -> Any:
        domain = self._domain_or_none()
        if domain is None:
            raise LabError(f"{self.name} is switched off", remedy=f"Console: {self.console.path}")
        return domain

    def _domain_or_none(self) -> Any:
        try:
            return self.daemon.connection.lookupByUUIDString(str(self.spec.uuid))
        except libvirt.libvirtError as trouble:
            if trouble.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
                return None
            raise LabError(f"libvirt: {trouble}") from trouble


def _libvirt(trouble: str, call: Callable[..., _T], *args: Any) -> _T:
    try:
        return call(*args)
    except libvirt.libvirtError as cause:
        raise LabError(f"{trouble}: {cause}") from cause
