"""Faults of a node's disk."""

from __future__ import annotations

import hashlib
import shlex
from typing import TYPE_CHECKING

from edge_lab.core.errors import InputError, LabError
from edge_lab.faults.families.node.action import NodeAction
from edge_lab.faults.families.node.kinds import DiskFull, SlowDisk

if TYPE_CHECKING:
    from edge_lab.machines import Machine

FILLER = ".edge-lab-filler"
"""The file that fills a disk, below the path that is to be full."""

REFILL_SECONDS = 0.5
"""After this time, what was freed on a full disk is filled too: journald, for instance, removes old
journals when it has no space."""

SCRATCH = "/var/tmp/.edge-lab-pace"  # noqa: S108 - in a guest without other users
ROOT_DISK = "vda"

RESERVE_MIB = 24
"""What ext4 reserves for its metadata, and reports as free."""

BLOCK = 4096
MOST_WRITES = 400


class DiskFullAction(NodeAction[DiskFull]):
    def check(self, machine: Machine, fault: DiskFull) -> None:
        self._has_room(machine, fault)

    def inject(self, machine: Machine, fault: DiskFull) -> str:
        path = shlex.quote(fault.path)
        self._has_room(machine, fault)
        filler = shlex.quote(f"{fault.path.rstrip('/')}/{FILLER}")
        self.tools.run(
            machine,
            # The blocks reserved for root count as free here: root owns the filler too. Metadata of
            # the filler itself takes some of it, so the last bit is written until it fails.
            f"set -e; rm -f {filler}; sync -f {path}; "
            f"free=$(( $(stat -f -c '%f * %S' {path}) - {fault.leave_mib} * 1048576 )); "
            # On a small file system what it reserves for itself is a larger part.
            f"fallocate -l $free {filler} || fallocate -l $(( free - free / 64 )) {filler} || "
            f"fallocate -l $(( free - free / 64 - {RESERVE_MIB} * 1048576 )) {filler}; "
            + (
                ""
                if fault.leave_mib
                else f"dd if=/dev/zero bs=64k oflag=append conv=notrunc of={filler} 2>/dev/null "
                f"|| true; dd if=/dev/zero bs=4k oflag=append conv=notrunc of={filler} "
                "2>/dev/null || true"
            ),
        )
        left = self._free_bytes(machine, fault.path)
        if not fault.leave_mib:
            refill = (
                f"while :; do cat /dev/zero >>{filler} 2>/dev/null; sleep {REFILL_SECONDS}; done"
            )
            unit = _refill_unit(fault)
            self.tools.run(
                machine,
                f"systemd-run --quiet --collect --unit={unit} sh -c {shlex.quote(refill)}",
            )
        if left > (fault.leave_mib + RESERVE_MIB) * 1048576:
            raise LabError(f"no effect was seen: {left} bytes are free on {machine.name}")
        if not fault.leave_mib and self._can_write(machine, fault.path):
            raise LabError(f"no effect was seen: {machine.name} can still write to {fault.path}")
        return f"{left} bytes are free"

    def heal(self, machine: Machine, fault: DiskFull) -> str:
        filler = shlex.quote(f"{fault.path.rstrip('/')}/{FILLER}")
        self.tools.run(
            machine,
            # After a boot there is no such unit.
            f"systemctl stop {_refill_unit(fault)} 2>/dev/null; "
            f"rm -f {filler}; sync -f {shlex.quote(fault.path)}",
        )
        self.tools.see(
            f"{machine.name} can write to {fault.path}",
            lambda: self._can_write(machine, fault.path),
        )
        return f"{self._free_bytes(machine, fault.path)} bytes are free"

    def _has_room(self, machine: Machine, fault: DiskFull) -> None:
        """Raises InputError if nothing could be filled."""
        path = shlex.quote(fault.path)
        if self.tools.run(machine, f"test -d {path} && echo yes || echo no") != "yes":
            raise InputError(f"the folder {fault.path} does not exist on {machine.name}")
        free = self._free_bytes(machine, fault.path) // 1048576
        if free <= fault.leave_mib:
            raise InputError(
                f"{free} MiB are free on {machine.name}, which is less than {fault.leave_mib} MiB",
                remedy="Use a smaller `leave_mib`.",
            )

    def _free_bytes(self, machine: Machine, path: str) -> int:
        blocks, size = self.tools.run(machine, f"stat -f -c '%f %S' {shlex.quote(path)}").split()
        return int(blocks) * int(size)

    def _can_write(self, machine: Machine, path: str) -> bool:
        file = shlex.quote(f"{path.rstrip('/')}/{FILLER}-probe")
        command = (
            f"dd if=/dev/zero of={file} bs=64k count=4 conv=fsync 2>/dev/null && "
            f"echo written; rm -f {file}"
        )
        return self.tools.run(machine, command) == "written"


def _refill_unit(fault: DiskFull) -> str:
    """The transient unit that keeps the disk full."""
    return f"edge-lab-disk-full-{hashlib.sha256(fault.path.encode()).hexdigest()[:8]}.service"


class SlowDiskAction(NodeAction[SlowDisk]):
    def check(self, machine: Machine, fault: SlowDisk) -> None:
        self._usual(machine, fault)

    def inject(self, machine: Machine, fault: SlowDisk) -> str:
        count, least = _trial(fault)
        usual = self._usual(machine, fault)
        machine.set_disk_pace(ROOT_DISK, fault.iops)
        took = self._writes(machine, count)
        if took < least:
            raise LabError(
                f"no effect was seen: {count} writes on {machine.name} took {took:.1f} s"
            )
        return f"{count} writes took {took:.1f} s, before {usual:.1f} s"

    def heal(self, machine: Machine, fault: SlowDisk) -> str:
        machine.set_disk_pace(ROOT_DISK, None)
        count, least = _trial(fault)
        self.tools.see(
            f"the disk of {machine.name} is as fast as before",
            lambda: self._writes(machine, count) < least,
        )
        return "as fast as before"

    def _usual(self, machine: Machine, fault: SlowDisk) -> float:
        """Seconds that the writes take before the fault; InputError if it could not be observed."""
        count, least = _trial(fault)
        usual = self._writes(machine, count)
        if usual >= least:
            raise InputError(
                f"{fault.title} does not slow the disk down: {count} writes took {usual:.1f} s",
                remedy="Use a smaller `iops`.",
            )
        return usual

    def _writes(self, machine: Machine, count: int) -> float:
        """Seconds that this number of direct writes takes."""
        said = self.tools.run(
            machine,
            f"t=${{EPOCHREALTIME/./}}; dd if=/dev/zero of={SCRATCH} bs={BLOCK} count={count} "
            f"oflag=direct conv=notrunc 2>/dev/null && echo $(( ${{EPOCHREALTIME/./}} - t )); "
            f"done=$?; rm -f {SCRATCH}; exit $done",
        )
        return int(said) / 1e6


def _trial(fault: SlowDisk) -> tuple[int, float]:
    """The number of writes, and the minimum seconds that they take while the fault is active."""
    count = min(MOST_WRITES, max(5, fault.iops * 2))
    return count, count / fault.iops / 2
