"""The host's time stamp counter, by which an emulated x86_64 guest tells the time.

Left to itself such a guest with two CPUs takes the counters of its CPUs for unsynchronized and
falls back on the HPET. Each look at that clock is a system call in the guest and a device access
under QEMU's big lock, and Go programs look at it all the time. QEMU's emulation gives all CPUs one
counter, the host's own.
"""

from __future__ import annotations

import platform
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
CLOCK = Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")

TRUSTING = frozenset({"tsc", "kvm-clock"})
"""Clocks of a host that itself goes by the counter, so that it is one for all cores."""


def host_tsc_khz() -> int | None:
    """How many thousand times a second the host's counter counts.

    Linux derives `bogomips` from just that, two for each million. None on a host of another
    architecture, and on one that does not go by its counter.
    """
    try:
        trusted = CLOCK.read_text().strip() in TRUSTING
    except OSError:
        trusted = False
    if platform.machine() != "x86_64" or not trusted:
        return None
    for line in CPUINFO.read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "bogomips":
            return round(float(value) * 500)
    return None


def counter_arguments(tsc_khz: int | None) -> str:
    """For the kernel of an emulated x86_64 guest: the counter is good, and this is its pace.

    The guest's own first measurement of it, while it is being emulated, may be far out.
    """
    return f" tsc=reliable tsc_early_khz={tsc_khz}" if tsc_khz else ""
