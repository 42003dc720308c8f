"""The host's time stamp counter as the clock of emulated x86_64 guests.

By default such a guest with two CPUs considers the counters of its CPUs unsynchronized and falls
back to the HPET. Each reading of that clock is a system call in the guest and a device access
under QEMU's big lock, and Go programs read it all the time. In QEMU's emulation all CPUs have the
same counter, that of the host.
"""

from __future__ import annotations

import platform
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
CLOCK = Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")

TRUSTING = frozenset({"tsc", "kvm-clock"})
"""Clock sources of a host that uses the counter itself, so that it is the same on all cores."""


def host_tsc_khz() -> int | None:
    """The frequency of the host's counter in kHz.

    Linux derives `bogomips` from it: two per MHz. None on a host of another architecture, or on
    one whose clock source is not the counter.
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
    """Kernel arguments for an emulated x86_64 guest: the counter is reliable, and its frequency.

    The guest's own measurement may be far off under emulation.
    """
    return f" tsc=reliable tsc_early_khz={tsc_khz}" if tsc_khz else ""
