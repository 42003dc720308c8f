"""Faults on nodes: power, CPUs, services, clock, disk. What is done to a guest from within goes
over the management path."""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from edge_lab.core.errors import DeadlineExceeded, InputError, LabError, named
from edge_lab.faults.kinds import (
    ClockJump,
    ClockSkew,
    DiskFull,
    Freeze,
    Kill,
    NodeFault,
    Pause,
    PowerOff,
    Reboot,
    SlowDisk,
)
from edge_lab.faults.limits import BOOT_SECONDS, COMMAND_SECONDS, PROOF_SECONDS, TimeLimit, prove
from edge_lab.faults.undo import undoing
from edge_lab.machines.booting import FIRST_LINE

if TYPE_CHECKING:
    from edge_lab.machines import ClockOffset, Machine


FILLER = ".edge-lab-filler"
"""The file that takes up a disk, below the path that is to be full."""

SCRATCH = "/var/tmp/.edge-lab-pace"  # noqa: S108 - in a guest, where nobody else is
ROOT_DISK = "vda"

RESERVE_MIB = 24
"""What ext4 keeps to itself for its own books, and shows as free."""

RESTART_SECONDS = 30.0
"""For systemd to start a service again by itself."""

STARTED_BY_HAND = "started by hand"
"""In the cure of a service that did not come back by itself."""

BLOCK = 4096
MOST_WRITES = 400

TICK = 10_000
"""Microseconds that the kernel adds at each of 100 ticks a second, when a clock keeps pace."""

FREQUENCY_UNIT = 65_536
"""The kernel's unit of frequency: so many make 1 ppm."""

MEASURABLE_PPM = 10_000
"""From here on a skew shows in the clock itself within seconds; below, the kernel's word counts."""

_TICK = re.compile(r"tick:\s+(-?\d+)")
_FREQUENCY = re.compile(r"freq\.adjust:\s+(-?\d+)")


class NodeFaults:
    """Injects and heals faults on the machines of a lab."""

    def __init__(
        self,
        machines: Mapping[str, Machine],
        limit: TimeLimit,
        plug: Callable[[str], None] = lambda node: None,
        agents: tuple[str, ...] = (),
    ) -> None:
        """`plug` is called with a node's name when it has got its power back: a cable that was
        out before is still out. `agents` are units that may fail at a boot: whether a runtime
        comes up without its cloud is for a test to judge."""
        self._machines = machines
        self._limit = limit
        self._plug = plug
        self._agents = agents

    def inject(self, fault: NodeFault) -> str:
        """Does it, and returns what was seen of it.

        Raises:
            InputError: it cannot be done to that node as it is; nothing was done.
            LabError: nothing was seen; it is undone then.
            StillInForce: nor could it be undone.
        """
        with undoing(lambda: self.heal(fault)):
            return self._inject(self._machine(fault.node), fault)

    def check(self, fault: NodeFault) -> None:
        """Looks whether it could be seen on that node as it is, and does nothing to it.

        Raises:
            InputError: it could not: there is no such service, say.
        """
        machine = self._machine(fault.node)
        match fault:
            case Kill() | Freeze():
                self._must_run(machine, fault.service)
            case ClockJump():
                self._can_tell(machine, fault.seconds)
            case DiskFull():
                self._has_room(machine, fault)
            case SlowDisk():
                self._usual(machine, fault)

    def _inject(self, machine: Machine, fault: NodeFault) -> str:
        match fault:
            case PowerOff():
                return self._power_off(machine)
            case Reboot():
                return self._reboot(machine, orderly=fault.orderly)
            case Pause():
                return self._pause(machine)
            case Kill():
                return self._kill(machine, fault.service)
            case Freeze():
                return self._freeze(machine, fault.service)
            case ClockJump():
                return self._jump(machine, fault.seconds)
            case ClockSkew():
                return self._skew(machine, fault.ppm)
            case DiskFull():
                return self._fill(machine, fault)
            case SlowDisk():
                return self._slow(machine, fault)

    def heal(self, fault: NodeFault) -> str:
        """Puts it right, and returns what was seen of the cure; LabError if nothing was."""
        machine = self._machine(fault.node)
        match fault:
            case PowerOff():
                return self._power_on(machine)
            case Reboot():
                return self._booted(machine)
            case Pause():
                return self._go_on(machine)
            case Kill():
                return self._running(machine, fault.service)
            case Freeze():
                return self._thaw(machine, fault.service)
            case ClockJump():
                return self._set_right(machine)
            case ClockSkew():
                self._pace(machine, 0)
                return self._set_right(machine)
            case DiskFull():
                return self._empty(machine, fault)
            case SlowDisk():
                return self._hurry(machine, fault)

    def _machine(self, node: str) -> Machine:
        return named("node", node, self._machines)

    def _run(self, machine: Machine, command: str) -> str:
        return machine.run(command, self._limit(COMMAND_SECONDS)).stdout.strip()

    def _see(self, what: str, seen: Callable[[], bool]) -> None:
        prove(what, seen, self._limit(PROOF_SECONDS))

    # -- power -----------------------------------------------------------------------------------

    def _power_off(self, machine: Machine) -> str:
        if not machine.is_on:
            raise InputError(f"{machine.name} is off already")
        machine.power_off()
        self._see(f"{machine.name} is off", lambda: machine.state == "off")
        return "its machine is gone"

    def _power_on(self, machine: Machine) -> str:
        if not machine.is_on:  # else a former heal has come so far, and the boot took too long
            machine.power_on()
            self._plug(machine.name)
        return self._booted(machine)

    def _reboot(self, machine: Machine, *, orderly: bool) -> str:
        mark = machine.console.mark()
        limit = self._limit(BOOT_SECONDS)
        if orderly:
            machine.begin_reboot(limit)
        else:
            machine.reset()
            machine.console.wait_for(FIRST_LINE, limit, mark)
        return "its kernel has begun anew"

    def _booted(self, machine: Machine) -> str:
        began = time.monotonic()
        machine.boot_with_retry(self._limit(BOOT_SECONDS), self._agents)
        return f"up, {time.monotonic() - began:.0f} s later"

    def _pause(self, machine: Machine) -> str:
        machine.suspend()
        self._see(f"{machine.name} is paused", lambda: machine.state == "paused")
        return "its CPUs stand still"

    def _go_on(self, machine: Machine) -> str:
        if machine.state == "paused":
            machine.resume()
        # Its clock has stood still too.
        return self._set_right(machine)

    # -- services --------------------------------------------------------------------------------

    def _main_pid(self, machine: Machine, service: str) -> int:
        said = self._run(machine, f"systemctl show -p MainPID --value {shlex.quote(service)}")
        return int(said or 0)

    def _signal(self, machine: Machine, service: str, signal: str) -> None:
        self._run(machine, f"systemctl kill --kill-whom=main -s {signal} {shlex.quote(service)}")

    def _must_run(self, machine: Machine, service: str) -> int:
        pid = self._main_pid(machine, service)
        if not pid:
            raise InputError(
                f"{service} does not run on {machine.name}",
                remedy=f"lab exec {machine.name} -- systemctl list-units --type=service shows "
                "what does.",
            )
        return pid

    def _kill(self, machine: Machine, service: str) -> str:
        pid = self._must_run(machine, service)
        self._signal(machine, service, "KILL")
        self._see(
            f"{service} of {machine.name} is dead",
            lambda: self._main_pid(machine, service) != pid,
        )
        return f"its process {pid} is gone"

    def _running(self, machine: Machine, service: str) -> str:
        how = "by itself"
        try:
            self._limit(RESTART_SECONDS).wait_for(
                f"{service} of {machine.name} runs again",
                lambda: self._main_pid(machine, service),
            )
        except DeadlineExceeded:
            how = STARTED_BY_HAND
            self._run(machine, f"systemctl start {shlex.quote(service)}")
        machine.wait_unit(service, self._limit(PROOF_SECONDS))
        return f"it runs as process {self._main_pid(machine, service)}, {how}"

    def _is_stopped(self, machine: Machine, pid: int) -> bool:
        return self._run(machine, f"sed -n 's/^State:\\s*//p' /proc/{pid}/status").startswith("T")

    def _freeze(self, machine: Machine, service: str) -> str:
        pid = self._must_run(machine, service)
        self._signal(machine, service, "STOP")
        self._see(
            f"{service} of {machine.name} has stopped", lambda: self._is_stopped(machine, pid)
        )
        return f"its process {pid} is stopped"

    def _thaw(self, machine: Machine, service: str) -> str:
        pid = self._main_pid(machine, service)
        if not pid:  # the node was rebooted meanwhile, or systemd has lost its patience
            return self._running(machine, service)
        self._signal(machine, service, "CONT")
        self._see(
            f"{service} of {machine.name} goes on", lambda: not self._is_stopped(machine, pid)
        )
        return f"its process {pid} goes on"

    # -- clock -----------------------------------------------------------------------------------

    def _can_tell(self, machine: Machine, seconds: float) -> ClockOffset:
        """How far off the clock is, if such a jump shows in it; InputError if not."""
        before = machine.clock_offset(self._limit(COMMAND_SECONDS))
        if abs(seconds) <= 4 * before.doubt:
            raise InputError(
                f"a jump of {seconds:g} s cannot be told from what a look at the clock of "
                f"{machine.name} may be off, {before.doubt:.2f} s",
                remedy="Let it jump farther.",
            )
        return before

    def _jump(self, machine: Machine, seconds: float) -> str:
        before = self._can_tell(machine, seconds)
        machine.move_clock(seconds, self._limit(COMMAND_SECONDS))
        after = machine.clock_offset(self._limit(COMMAND_SECONDS))
        moved = after.seconds - before.seconds
        doubt = before.doubt + after.doubt
        if abs(moved) <= doubt + abs(seconds) / 2 or abs(moved - seconds) > max(1.0, doubt):
            raise LabError(
                f"no effect was seen: the clock of {machine.name} moved by {moved:+.1f} s, not by "
                f"{seconds:+g} s"
            )
        return f"its clock is {after.seconds:+.1f} s off the host's"

    def _set_right(self, machine: Machine) -> str:
        left = machine.set_clock(self._limit(COMMAND_SECONDS))
        return f"its clock is {left:+.2f} s off the host's"

    def _pace(self, machine: Machine, ppm: int) -> None:
        """Sets the pace of the clock: by ticks as far as they go, the rest by frequency."""
        ticks = round(ppm / 100)
        frequency = (ppm - ticks * 100) * FREQUENCY_UNIT
        self._run(machine, f"busybox adjtimex -q -t {TICK + ticks} -f {frequency}")

    def _skew(self, machine: Machine, ppm: int) -> str:
        before = machine.clock_offset(self._limit(COMMAND_SECONDS))
        began = time.monotonic()
        self._pace(machine, ppm)
        said = self._run(machine, "busybox adjtimex")
        tick, frequency = _TICK.search(said), _FREQUENCY.search(said)
        if tick is None or frequency is None:
            raise LabError(f"adjtimex on {machine.name} said something else: {said!r}")
        shown = (int(tick[1]) - TICK) * 100 + int(frequency[1]) / FREQUENCY_UNIT
        if abs(shown - ppm) > 1:
            raise LabError(f"no effect was seen: the kernel of {machine.name} says {shown:g} ppm")
        if abs(ppm) < MEASURABLE_PPM:
            return f"its kernel's clock runs {shown:+g} ppm off"

        def drifted() -> bool:
            now = machine.clock_offset(self._limit(COMMAND_SECONDS))
            due = (time.monotonic() - began) * ppm / 1e6
            doubt = before.doubt + now.doubt
            gone = now.seconds - before.seconds
            return abs(due) > 2 * doubt and abs(gone - due) <= max(abs(due) / 2, doubt)

        self._see(f"the clock of {machine.name} drifts", drifted)
        return f"its clock drifts by {ppm:+d} ppm"

    # -- disk ------------------------------------------------------------------------------------

    def _has_room(self, machine: Machine, fault: DiskFull) -> None:
        """InputError if there is nothing that could be filled."""
        path = shlex.quote(fault.path)
        if self._run(machine, f"test -d {path} && echo yes || echo no") != "yes":
            raise InputError(f"there is no folder {fault.path} on {machine.name}")
        free = self._free_bytes(machine, fault.path) // 1048576
        if free <= fault.leave_mib:
            raise InputError(
                f"{free} MiB are free on {machine.name}: that is less than {fault.leave_mib} MiB",
                remedy="Leave less.",
            )

    def _fill(self, machine: Machine, fault: DiskFull) -> str:
        path = shlex.quote(fault.path)
        self._has_room(machine, fault)
        filler = shlex.quote(f"{fault.path.rstrip('/')}/{FILLER}")
        self._run(
            machine,
            # What is kept for root counts as free here: the filler is root's too. Metadata of
            # the filler itself takes some of it, so the last bit is written until it fails.
            f"set -e; rm -f {filler}; sync -f {path}; "
            f"free=$(( $(stat -f -c '%f * %S' {path}) - {fault.leave_mib} * 1048576 )); "
            f"fallocate -l $free {filler} || fallocate -l $(( free - free / 64 )) {filler}; "
            + (
                ""
                if fault.leave_mib
                else f"dd if=/dev/zero bs=64k oflag=append conv=notrunc of={filler} 2>/dev/null "
                f"|| true; dd if=/dev/zero bs=4k oflag=append conv=notrunc of={filler} "
                "2>/dev/null || true"
            ),
        )
        left = self._free_bytes(machine, fault.path)
        if left > (fault.leave_mib + RESERVE_MIB) * 1048576:
            raise LabError(f"no effect was seen: {left} bytes are free on {machine.name}")
        if not fault.leave_mib and self._can_write(machine, fault.path):
            raise LabError(f"no effect was seen: {machine.name} can still write to {fault.path}")
        return f"{left} bytes are free"

    def _free_bytes(self, machine: Machine, path: str) -> int:
        blocks, size = self._run(machine, f"stat -f -c '%f %S' {shlex.quote(path)}").split()
        return int(blocks) * int(size)

    def _can_write(self, machine: Machine, path: str) -> bool:
        file = shlex.quote(f"{path.rstrip('/')}/{FILLER}-probe")
        command = (
            f"dd if=/dev/zero of={file} bs=64k count=4 conv=fsync 2>/dev/null && "
            f"echo written; rm -f {file}"
        )
        return self._run(machine, command) == "written"

    def _empty(self, machine: Machine, fault: DiskFull) -> str:
        filler = shlex.quote(f"{fault.path.rstrip('/')}/{FILLER}")
        self._run(machine, f"rm -f {filler}; sync -f {shlex.quote(fault.path)}")
        self._see(
            f"{machine.name} can write to {fault.path}",
            lambda: self._can_write(machine, fault.path),
        )
        return f"{self._free_bytes(machine, fault.path)} bytes are free"

    def _writes(self, machine: Machine, count: int) -> float:
        """Seconds that so many direct writes take."""
        said = self._run(
            machine,
            f"t=${{EPOCHREALTIME/./}}; dd if=/dev/zero of={SCRATCH} bs={BLOCK} count={count} "
            f"oflag=direct conv=notrunc 2>/dev/null && echo $(( ${{EPOCHREALTIME/./}} - t )); "
            f"done=$?; rm -f {SCRATCH}; exit $done",
        )
        return int(said) / 1e6

    def _usual(self, machine: Machine, fault: SlowDisk) -> float:
        """Seconds that the writes take, by which the fault is seen; InputError if it could not."""
        count, least = _trial(fault)
        usual = self._writes(machine, count)
        if usual >= least:
            raise InputError(
                f"{fault.title} cannot be told from its pace: {count} writes took {usual:.1f} s",
                remedy="Use fewer operations a second.",
            )
        return usual

    def _slow(self, machine: Machine, fault: SlowDisk) -> str:
        count, least = _trial(fault)
        usual = self._usual(machine, fault)
        machine.set_disk_pace(ROOT_DISK, fault.iops)
        took = self._writes(machine, count)
        if took < least:
            raise LabError(
                f"no effect was seen: {count} writes on {machine.name} took {took:.1f} s"
            )
        return f"{count} writes took {took:.1f} s, before {usual:.1f} s"

    def _hurry(self, machine: Machine, fault: SlowDisk) -> str:
        machine.set_disk_pace(ROOT_DISK, None)
        count, least = _trial(fault)
        self._see(
            f"the disk of {machine.name} is as fast as before",
            lambda: self._writes(machine, count) < least,
        )
        return "as fast as before"


def _trial(fault: SlowDisk) -> tuple[int, float]:
    """So many writes, and the seconds that they take at least while the fault is in force."""
    count = min(MOST_WRITES, max(5, fault.iops * 2))
    return count, count / fault.iops / 2
