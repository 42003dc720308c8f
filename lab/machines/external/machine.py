"""A node that the lab did not boot, as a machine with only the operations that it supports."""

from __future__ import annotations

import shlex
import threading
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address
from pathlib import Path

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import EdgeLabError, InputError, LabError, NotPossible
from edge_lab.core.home import RunDir
from edge_lab.core.step import step
from edge_lab.machines.api import BootRecord, PowerState, SavedMachine
from edge_lab.machines.booting import SETTLE_SECONDS, BootRecordFile
from edge_lab.machines.clock import ShellClock
from edge_lab.machines.console import ConsoleLog, Fatal
from edge_lab.machines.external import examination, handover
from edge_lab.machines.external.delivery import UNDO_SECONDS, Delivery
from edge_lab.machines.external.entrance import Entrance
from edge_lab.machines.external.examination import Facts, Lack, Needs
from edge_lab.machines.external.handover import Handover
from edge_lab.machines.external.hardware import PowerSwitch, find_library
from edge_lab.machines.external.hosts import ssh_host
from edge_lab.machines.external.recorder import start_recorder
from edge_lab.machines.guest import WireNic
from edge_lab.machines.shell import GuestShell
from edge_lab.machines.shellaccess import ShellAccess
from edge_lab.machines.ssh import SshClient, Unreachable
from edge_lab.provisioning.provision import GuestFile, Provision
from edge_lab.topology import Ability, Arch, External, Node, Topology, why_unable

REACH_SECONDS = 15.0
"""For the SSH server of a machine that is on to answer, on the reference machine."""
BOOT_SECONDS = 600.0
"""For a machine that was powered on to boot, including firmware and boot loader."""
SHORT_SECONDS = 60.0

_BOOT_ID = "/proc/sys/kernel/random/boot_id"


@dataclass(frozen=True)
class GivenBack:
    """The result of giving a machine back."""

    node: str
    trouble: str = ""
    """Why it failed; empty if it succeeded."""

    def __str__(self) -> str:
        if not self.trouble:
            return f"{self.node} is given back; not removed: {handover.STAYS}"
        return f"{self.node} could not be given back: {self.trouble}"


@dataclass
class ExternalMachine(ShellAccess):
    """A `Machine` that the lab did not boot.

    It is created from its node alone, so another process can continue with a new object.
    """

    node: Node
    topology: Topology
    run_dir: RunDir
    nics: tuple[WireNic, ...] = ()
    hosts: Mapping[str, IPv4Address] = field(default_factory=dict)
    provision: Provision | None = None
    """What is installed on it when the lab comes up."""
    console: ConsoleLog = field(init=False)
    shell: GuestShell = field(init=False, repr=False)
    clock: ShellClock = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.console = ConsoleLog(self.name, self.run_dir.consoles / f"{self.name}.log")
        self._client = SshClient.to(self.run_dir, ssh_host(self.node, self.run_dir.keys))
        self.shell = GuestShell(self.run_dir, self._client, self.console)
        self.clock = ShellClock(self.shell)
        self._entrance = Entrance(self.node, self.run_dir, self._client, self.shell, self.clock)
        self._record = BootRecordFile(self.run_dir.consoles / f"{self.name}.json")
        self._discarded = threading.Event()
        self._mark = 0

    # -- properties ----------------------------------------------------------------------

    @property
    def name(self) -> str:
        return self.node.name

    @property
    def arch(self) -> Arch:
        return self.node.arch

    @property
    def record(self) -> BootRecord:
        return self._record.read()

    @property
    def reboots(self) -> int:
        return 0

    @property
    def _external(self) -> External:
        assert self.node.external is not None
        return self.node.external

    # -- power ---------------------------------------------------------------------------

    @property
    def _power(self) -> PowerSwitch:
        """Raises NotPossible if the node has no power driver."""
        self._must(Ability.POWER)
        driver = self._external.power
        assert driver is not None
        return find_library(driver.library).power(self.name, driver)

    @property
    def _switched_off(self) -> Path:
        """A file that exists while the lab has powered it off: not every driver knows the state."""
        return self.run_dir.path / f"{self.name}.off"

    @property
    def is_on(self) -> bool:
        """The state from its driver, or else from the last switching; without a driver it is on."""
        if self._external.power is None:
            return True
        known = self._power.is_on()
        return not self._switched_off.exists() if known is None else known

    @property
    def state(self) -> PowerState:
        """Off only if it also does not answer: the driver may switch another machine."""
        return "running" if self.is_on or self.shell.answers() else "off"

    def power_on(self) -> None:
        """Powers it on with its own disks."""
        self.expect_boot()
        self._power.on()
        self._switched_off.unlink(missing_ok=True)

    def power_off(self) -> None:
        """Cuts its power without syncing disks. Succeeds if it is off."""
        self._must(Ability.POWER)
        self.shell.disconnect()
        self._switched_off.touch()
        self._power.off()

    def reset(self) -> None:
        """Powers it off and on: few boards have a reset that a driver can use."""
        self._must(Ability.POWER)
        self.expect_boot()
        self._power.cycle()

    def begin_reset(self, deadline: Deadline) -> None:
        """Resets it; returns when it has booted and a login succeeds."""
        self._must(Ability.POWER)
        before = self._boot_id(deadline)
        self.reset()
        self._wait_other_boot(before, deadline)

    def begin_reboot(self, deadline: Deadline) -> None:
        """Reboots it in an orderly way; returns when it has booted and a login succeeds."""
        before = self._boot_id(deadline)
        try:
            self.run("systemctl --no-block reboot", deadline.within(SHORT_SECONDS), check=False)
        except LabError:  # the connection may end before the answer
            self.shell.disconnect()
        self.expect_boot()
        self._wait_other_boot(before, deadline)

    def reboot(self, deadline: Deadline) -> None:
        self.begin_reboot(deadline)
        self.boot_with_retry(deadline)

    def expect_boot(self, mark: int | None = None) -> None:
        self.shell.disconnect()
        self._mark = self.console.mark() if mark is None else mark

    def discard(self) -> None:
        """Does not cut its power: `boot` ends at its next step, and `give_back` reverts the
        changes."""
        self._discarded.set()

    def _boot_id(self, deadline: Deadline) -> str:
        return self.run(f"cat {_BOOT_ID}", deadline.within(SHORT_SECONDS)).stdout.strip()

    def _wait_other_boot(self, before: str, deadline: Deadline) -> None:
        def other() -> bool:
            if not self.shell.answers():
                self.shell.disconnect()
                return False
            return self._boot_id(deadline) not in ("", before)

        deadline.wait_for(f"{self.name} has booted again", other, every=1.0, transient=(LabError,))

    # -- up ------------------------------------------------------------------------------

    def boot(self, deadline: Deadline) -> None:
        """Powers it on if necessary, examines it, and installs its provision.

        Changes of an earlier start are reverted first.

        Raises:
            InputError: requirements are missing, all of which the message lists, or its host key
                is another one.
            LabError: it does not answer, or a step failed.
        """
        began = time.monotonic()
        if driver := self._external.console:
            start_recorder(self.run_dir, self.name, driver, self.console, deadline)
            self._mark = self.console.mark()
        self.wait_reached(deadline)
        reached = time.monotonic()
        provision = self.provision or Provision()
        with step(f"examine {self.name}"):
            lacks, facts = self.examine(Needs.of(self.topology, self.node, provision), deadline)
        if lacks:
            raise InputError(examination.told(self.name, lacks))
        if facts.one("owner"):
            with step("revert the changes of an earlier start"):
                self._undo(deadline)
        given = Handover.of(
            self.run_dir.lab,
            self.name,
            self.arch,
            provision,
            self.nics,
            self.hosts,
            containerd=facts.one("containerd"),
            hosts_before=self.read(handover.HOSTS, deadline).decode(errors="replace"),
        )
        self._still_wanted()
        self.handed_over.touch()
        delivery = Delivery(self._client, self.shell, self._still_wanted)
        delivery.carry_out(given, provision.payload, deadline)
        self._record.write(
            BootRecord(
                ssh_seconds=round(reached - began, 1),
                boot_seconds=round(time.monotonic() - began, 1),
            )
        )

    def wait_reached(self, deadline: Deadline) -> None:
        """Waits until a login succeeds; powers it on if it is off.

        Raises:
            InputError: retrying cannot help: another host key, or a key that it refuses.
            LabError: it does not answer.
        """
        limit = deadline.within(REACH_SECONDS)
        if self._external.power is not None:
            # If the driver does not know the state, a machine that answers is on.
            known = self._power.is_on()
            if known is False or (known is None and not self.shell.answers()):
                self.power_on()
                limit = deadline.within(BOOT_SECONDS)
        self._entrance.wait_in(limit, deadline, self._still_wanted)

    def _still_wanted(self) -> None:
        if self._discarded.is_set():
            raise LabError(f"the start of the lab has ended before {self.name} was ready")

    def examine(self, needs: Needs, deadline: Deadline) -> tuple[tuple[Lack, ...], Facts]:
        """The missing requirements, and the facts about the machine; changes nothing."""
        return self._entrance.examine(needs, deadline)

    def boot_with_retry(self, deadline: Deadline, allowed_units: Collection[str] = ()) -> None:
        """Waits until a machine that was powered on or reset is up, without any retry.

        Units that had failed before the lab used the machine may be failed.
        """
        allowed = frozenset(allowed_units)
        deadline.wait_for(
            f"{self.name} is up",
            lambda: self._settled(deadline, allowed),
            every=1.0,
            transient=(Unreachable,),
            watch=lambda: self.console.check(self._mark, frozenset({Fatal.PANIC})),
        )

    def _settled(self, deadline: Deadline, allowed: frozenset[str]) -> bool:
        if not self.shell.answers():
            self.shell.disconnect()
            return False
        command = f"timeout {SETTLE_SECONDS} systemctl is-system-running --wait"
        said = self.run(command, deadline, check=False).stdout.strip()
        if said != "degraded":
            return said in ("running", "maintenance")
        before = self.run(f"cat {handover.FAILED}", deadline, check=False).stdout.split()
        listed = self.run("systemctl --failed --plain --no-legend --no-pager", deadline).stdout
        failed = frozenset(line.split()[0] for line in listed.splitlines() if line.strip())
        if new := failed - allowed - frozenset(before):
            raise LabError(f"{self.name} booted, but {', '.join(sorted(new))} failed")
        return True

    # -- down ----------------------------------------------------------------------------

    @property
    def handed_over(self) -> Path:
        """A file of the run directory that exists while there are changes to revert."""
        return self.run_dir.path / f"{self.name}.handed-over"

    def give_back(self, deadline: Deadline) -> GivenBack | None:
        """Reverts all changes except `handover.STAYS`; None if there are none."""
        if not self.handed_over.exists():
            return None
        try:
            with step(f"give back {self.name}"):
                self._discarded.clear()
                self.wait_reached(deadline)
                self._undo(deadline)
        except (EdgeLabError, OSError) as trouble:
            reason = trouble.message if isinstance(trouble, EdgeLabError) else str(trouble)
            return GivenBack(self.name, f"{reason}. On the machine, as root: sh {handover.UNDO}")
        finally:
            self.shell.disconnect()
        self.handed_over.unlink(missing_ok=True)
        return GivenBack(self.name)

    def _undo(self, deadline: Deadline) -> None:
        there = f"[ ! -e {shlex.quote(handover.UNDO)} ] || sh {shlex.quote(handover.UNDO)}"
        self.run(there, deadline.within(UNDO_SECONDS))

    def add_files(self, files: Collection[GuestFile]) -> None:
        """Adds `files` to its provision. Only before `boot`."""
        if self.handed_over.exists():
            raise LabError(f"{self.name} was already provisioned and would not get new files")
        provision = self.provision or Provision()
        self.provision = replace(provision, files=(*provision.files, *files))

    # -- unsupported operations ----------------------------------------------------------

    def _must(self, ability: Ability) -> None:
        if why := why_unable(self.node, ability):
            raise NotPossible(why)

    def suspend(self) -> None:
        self._must(Ability.PAUSE)

    def resume(self) -> None:
        self._must(Ability.PAUSE)

    def save(self, saved: SavedMachine, deadline: Deadline) -> None:
        self._must(Ability.SNAPSHOT)

    def restore(self, saved: SavedMachine) -> None:
        self._must(Ability.SNAPSHOT)

    def recover(self, saved: SavedMachine) -> None:
        self._must(Ability.SNAPSHOT)

    def set_disk_pace(self, disk: str, iops: int | None) -> None:
        self._must(Ability.DISK_PACE)

    def set_balloon(self, mib: int) -> None:
        self._must(Ability.BALLOON)

    def balloon_mib(self) -> float:
        self._must(Ability.BALLOON)
        return 0.0

    def set_carrier(self, mac: str, up: bool) -> None:
        """Does nothing: the carrier of a real cable stays up when its link is cut."""
