"""Small programs that take the memory of a node, each in a separate unit."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

FOLDER = "/run/edge-lab-memory"
"""Below /run, so that a boot removes both the processes and their files."""
BEFORE = f"{FOLDER}/before"
"""MemAvailable in KiB when a fault began, in a file: another process of the lab may heal it."""
PROGRAM = f"{FOLDER}/program.py"
"""A file, since systemd-run would expand specifiers in a program that is an argument."""
FILE = "/var/tmp/.edge-lab-page-cache"  # noqa: S108 - in a guest, where nobody else is

RECORD = (
    f"set -e; mkdir -p {FOLDER}; "
    f"sed -n 's/^MemAvailable: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo > {BEFORE}"
)
"""A shell command that records the available memory."""

INFLATABLE = f"{RECORD}; modprobe virtio_balloon"
"""A shell command that records the available memory, and loads the driver of the balloon."""

DEFLATABLE = "modprobe virtio_balloon || true"
"""A shell command that loads the driver of the balloon: without it, a guest that has booted since
would not tell the hypervisor that the balloon is empty."""

_NAMED = """\
import mmap, os, sys, time
with open("/proc/self/comm", "w") as comm:
    comm.write(sys.argv[1])
"""

TAKE = (
    _NAMED
    + """
target, pace = int(sys.argv[2]), float(sys.argv[3])
areas = []
begun = time.monotonic()
mark = 1
while True:
    taken = sum(map(len, areas)) >> 20
    due = (time.monotonic() - begun) * pace if pace else taken + 16
    if (target < 0 or taken < target) and taken < due:
        left = 16 if target < 0 else min(16, target - taken)
        areas.append(mmap.mmap(-1, (min(left, 4) if pace else left) << 20, mmap.MAP_PRIVATE))
        areas[-1][::4096] = bytes([mark]) * (len(areas[-1]) >> 12)
        continue
    time.sleep(0.25 if target < 0 or taken < target else 2)
    mark = mark % 250 + 1
    for area in areas:
        area[::4096] = bytes([mark]) * (len(area) >> 12)
"""
)
"""Arguments: name, MiB (-1: no limit), MiB/s (0: at once). Keeps writing to all of its pages:
unused memory would be swapped out first."""

READ = (
    _NAMED
    + """
path, size, pace = sys.argv[2], int(sys.argv[3]) << 20, int(sys.argv[4])
with open(path, "wb") as file:
    file.truncate(size)
with open(path, "rb", buffering=0) as file:
    room = bytearray(1 << 20)
    while True:
        begun = time.monotonic()
        for _ in range(max(1, pace // 10)):
            if not file.readinto(room):
                file.seek(0)
        time.sleep(max(0.0, 0.1 - (time.monotonic() - begun)))
"""
)
"""Arguments: name, path, MiB, MiB/s. The file is sparse; its pages are cached like any others."""


@dataclass(frozen=True)
class Program:
    """A program that runs on a node as a transient unit."""

    name: str
    """Name of unit and process; 15 characters at most, the limit of the kernel's log."""
    source: str
    arguments: tuple[str, ...]
    oom_score_adj: int
    most_mib: int | None = None
    """Memory limit of the unit: the kernel kills it first."""

    @property
    def unit(self) -> str:
        return unit_of(self.name)

    def start(self) -> str:
        """A shell command that records the available memory and starts the program."""
        properties = [f"OOMScoreAdjust={self.oom_score_adj}", "OOMPolicy=continue"]
        if self.most_mib is not None:
            properties.append(f"MemoryMax={self.most_mib}M")
        options = " ".join(f"-p {shlex.quote(text)}" for text in properties)
        words = ["python3", "-I", PROGRAM, self.name, *self.arguments]
        return (
            f"{RECORD}; printf %s {shlex.quote(self.source)} > {PROGRAM}; "
            f"systemd-run --quiet --collect --unit {self.unit} {options} {shlex.join(words)}"
        )


def unit_of(name: str) -> str:
    return f"edge-lab-{name}.service"


def look(name: str) -> str:
    """A shell command that prints the state of the unit, its process and the memory."""
    return (
        f"pid=$(systemctl show -P MainPID {unit_of(name)}); "
        f"echo active $(systemctl is-active {unit_of(name)}); "
        "[ \"${pid:-0}\" -gt 0 ] && grep -s '^Rss:' /proc/$pid/smaps_rollup; "
        "grep -E '^(MemTotal|MemAvailable|MemFree|Cached):' /proc/meminfo; "
        "grep -E '^pgsteal_(kswapd|direct) ' /proc/vmstat; "
        f"[ -r {BEFORE} ] && echo before $(cat {BEFORE}); true"
    )


def stop(name: str) -> str:
    """A shell command that ends it and leaves only the record of the available memory."""
    return f"systemctl stop {unit_of(name)} 2>/dev/null || true; rm -f {FILE}"


FORGET = f"rm -rf {FOLDER}"
