"""Memory and CPU time that the processes of a lab use on the host."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from edge_lab.core.home import RunDir
from edge_lab.core.process import PROC, LabProcess, processes_of

_GUEST = re.compile(r"qemu-system-\S+ .*?-name guest=(?P<name>[^\s,]+)")
_GUEST_MEMORY = re.compile(r" -m (?:size=)?(?P<size>\d+)(?P<unit>[kKmMgG]?)")
_DEVICE = re.compile(r"-m edge_lab\.devices --spec \S*/(?P<name>[^/\s]+)/[^/\s]+$")
_TICKS = os.sysconf("SC_CLK_TCK")
_KIB_PER_MIB = 1024
_MAPPING = re.compile(r"[0-9a-f]+-[0-9a-f]+ ")


class HostRole(StrEnum):
    NODE = "node"
    """QEMU of a node: memory that the guest has touched, and that of QEMU itself."""
    LIBVIRT = "libvirt"
    FABRIC = "fabric"
    DEVICE = "device"
    COMMAND = "command"
    """The process that has started the lab, `lab` or `pytest`."""
    OTHER = "other"


class HostProcess(BaseModel):
    """A process of a lab at one moment."""

    model_config = ConfigDict(frozen=True)

    role: HostRole
    name: str
    """Name of the node or device; otherwise the name of the program."""
    pid: int
    pss_mib: float | None
    """Resident memory; a page shared by n processes counts as 1/n (Pss of smaps_rollup). None if
    the kernel does not report it."""
    guest_mib: float | None = None
    """Of it, the memory that the guest has touched. None if it is not a node."""
    cpu_seconds: float | None
    """Processor time, including ended child processes. None if the process has ended."""


def mib_text(value: float | None) -> str:
    """For tables; a dash if it is not known."""
    return "–" if value is None else f"{value:.0f} MiB"


def host_processes(run: RunDir, *, with_this: bool = False) -> tuple[HostProcess, ...]:
    """The processes of the lab in `run`, nodes first; `with_this`: the calling process too."""
    found = [_measured(run, process) for process in processes_of(run.path)]
    if with_this:
        found.append(_seen(HostRole.COMMAND, Path(sys.argv[0]).name, os.getpid()))
    order = list(HostRole)
    return tuple(sorted(found, key=lambda process: (order.index(process.role), process.name)))


def _measured(run: RunDir, process: LabProcess) -> HostProcess:
    role, name = _role(run, process.command)
    seen = _seen(role, name, process.pid)
    if role is not HostRole.NODE:
        return seen
    guest = _guest_mib(PROC / str(process.pid), _guest_size(process.command))
    return seen.model_copy(update={"guest_mib": guest})


def _role(run: RunDir, command: str) -> tuple[HostRole, str]:
    """The role of a process in the lab, by its command line."""
    if guest := _GUEST.search(command):
        return HostRole.NODE, guest["name"].removeprefix(f"{run.lab}-")
    if "-m edge_lab.fabric" in command:
        return HostRole.FABRIC, "fabric"
    if device := _DEVICE.search(command):
        return HostRole.DEVICE, device["name"]
    program = Path(command.partition(" ")[0]).name
    if program == "libvirtd":
        return HostRole.LIBVIRT, program
    return HostRole.OTHER, program


def _seen(role: HostRole, name: str, pid: int) -> HostProcess:
    proc = PROC / str(pid)
    return HostProcess(role=role, name=name, pid=pid, pss_mib=_pss(proc), cpu_seconds=_cpu(proc))


def _pss(proc: Path) -> float | None:
    for line in _lines(proc / "smaps_rollup"):
        if line.startswith("Pss:"):
            return round(int(line.split()[1]) / _KIB_PER_MIB, 1)
    return None


def _guest_size(command: str) -> int | None:
    """KiB of the guest's memory, by QEMU's command line."""
    found = _GUEST_MEMORY.search(command)
    if found is None:
        return None
    return int(found["size"]) * {"k": 1, "g": 1 << 20}.get(found["unit"].lower(), 1 << 10)


def _guest_mib(proc: Path, size_kib: int | None) -> float | None:
    """PSS of the mapping of the guest's memory, which is known by its size (proc_pid_smaps(5))."""
    is_guest = False
    for line in _lines(proc / "smaps"):
        if _MAPPING.match(line):
            is_guest = False
        elif line.startswith("Size:"):
            is_guest = int(line.split()[1]) == size_kib
        elif is_guest and line.startswith("Pss:"):
            return round(int(line.split()[1]) / _KIB_PER_MIB, 1)
    return None


def _cpu(proc: Path) -> float | None:
    for line in _lines(proc / "stat"):
        # utime, stime, cutime, cstime (proc_pid_stat(5)); a program's name may hold ") ".
        fields = line.rpartition(") ")[2].split()
        return round(sum(map(int, fields[11:15])) / _TICKS, 2)
    return None


def _lines(file: Path) -> Iterator[str]:
    """Empty if the process has ended, or must not be inspected."""
    try:
        yield from file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
