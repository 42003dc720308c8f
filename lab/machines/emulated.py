"""Settings of emulated guests only, which avoid work that is expensive on an emulated CPU.

Unless stated otherwise, figures are from an idle default lab with the host's two cores near their
limit, and one riscv64 node traced for 20 s.
"""

from __future__ import annotations

from edge_lab.machines.counter import counter_arguments
from edge_lab.provisioning.provision import GuestFile
from edge_lab.topology import Arch

WITHOUT = ("hugetlb", "rdma", "misc", "pressure")
"""Controllers and features of control groups that are disabled in the kernel.

A kubelet lists each pod's folder for each controller every two seconds, and sometimes reads all of
it; a third of the files there belong to these four, which no part of a lab uses. `pressure` is that
of single groups: /proc/pressure stays.
"""

WITHOUT_MONITOR = "damon_stat.enabled=N"
"""The memory access monitor of Linux 7 (DAMON_STAT) took a sixth of a riscv64 CPU."""

WITHOUT_ISOLATION = "kpti=0"
"""For aarch64. Linux uses separate page tables for user space if the kernel is at a random address
and the CPU lacks E0PD, whether the CPU is vulnerable or not. They have a different ASID, and at
each change of the ASID QEMU (at least 7.2) discards all translations: twice for each system call.
Compared with an equal guest that has them, a system call took 0.13 of the time, a switch between
two processes 0.60, the start of a Go program 0.59, of a Python program 0.58.
"""

TIMER_SLACK_NS = 2_000_000
"""Timer slack in ns: how late a timer may fire. The default of Linux is 50,000.

The scheduler of a Go program repeatedly sleeps for 20 µs while there is work, and each sleep takes
0.6 ms of an emulated CPU: a quarter of the time of an idle kubelet. With two milliseconds an idle
aarch64 node used 30 % less CPU time, a riscv64 node one seventh less; with ten milliseconds hardly
less than that.
"""

TRANSLATIONS_MIB = 256
"""QEMU's cache of translated instructions. The default, 1 GiB for each machine, is full when a node
has started: it keeps everything until it overflows, and then begins anew.

With 256 MiB, QEMU took 0.3 to 0.4 GiB of the host for each node besides the guest, instead of 1.2.
A cold start took as much CPU time, or up to a tenth more (three nodes: 374 instead of 341 s; two:
196 instead of 171 or 205 s; always with another lab beside it), an idle node up to a twelfth more.
"""


def kernel_arguments(arch: Arch, tsc_khz: int | None) -> str:
    """Kernel arguments. `tsc_khz` is the frequency of the host's counter (counter.py)."""
    told = f" {WITHOUT_MONITOR} cgroup_disable={','.join(WITHOUT)}"
    match arch:
        case Arch.X86_64:
            return told + counter_arguments(tsc_khz)
        case Arch.AARCH64:
            return f"{told} {WITHOUT_ISOLATION}"
        case Arch.RISCV64:
            return told


def guest_files() -> tuple[GuestFile, ...]:
    """For the seed disk. Every process of the guest inherits the timer slack of systemd."""
    text = f"[Manager]\nTimerSlackNSec={TIMER_SLACK_NS}\n"
    return (GuestFile.text("/etc/systemd/system.conf.d/20-emulated.conf", text),)
