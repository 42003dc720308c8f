"""What only an emulated guest is told: to do less of what costs an emulated CPU most.

Figures, where nothing else is said: a default lab at rest with the host's two cores near their
limit, one riscv64 node traced for 20 s.
"""

from __future__ import annotations

from edge_lab.machines.counter import counter_arguments
from edge_lab.provisioning.provision import GuestFile
from edge_lab.topology import Arch

WITHOUT = ("hugetlb", "rdma", "misc", "pressure")
"""Controllers and features of control groups that the kernel leaves out.

A kubelet lists each pod's folder once for each controller, every two seconds, and reads all of it
now and then; a third of the files there belong to these four, of which nothing in a lab makes use.
`pressure` is that of single groups: /proc/pressure stays.
"""

WITHOUT_MONITOR = "damon_stat.enabled=N"
"""The access monitor that Linux 7 keeps of itself (DAMON_STAT) took a sixth of a riscv64 CPU."""

WITHOUT_ISOLATION = "kpti=0"
"""For aarch64. Linux gives user space page tables of its own wherever it is at a random address
and the CPU lacks E0PD, whether the CPU can be attacked or not. They have another ASID than the
kernel's, and at each change of ASID QEMU (7.2 at least) forgets all translations: twice for each
system call. Without, beside an equal guest with it: a system call took 0.13 of the time, a switch
between two processes 0.60, the start of a Go program 0.59, of a Python program 0.58.
"""

TIMER_SLACK_NS = 2_000_000
"""How much later than asked a timer may fire, ns; Linux' own is 50,000.

The scheduler of each Go program sleeps for 20 µs again and again while there is work, and each
sleep takes 0.6 ms of an emulated CPU: a quarter of what a kubelet did at rest. With two
milliseconds an aarch64 node at rest did three tenths less, a riscv64 node one seventh; with ten,
hardly more.
"""


def kernel_arguments(arch: Arch, tsc_khz: int | None) -> str:
    """For the kernel's command line. `tsc_khz` is the pace of the host's counter (counter.py)."""
    told = f" {WITHOUT_MONITOR} cgroup_disable={','.join(WITHOUT)}"
    match arch:
        case Arch.X86_64:
            return told + counter_arguments(tsc_khz)
        case Arch.AARCH64:
            return f"{told} {WITHOUT_ISOLATION}"
        case Arch.RISCV64:
            return told


def guest_files() -> tuple[GuestFile, ...]:
    """For the seed disk. Every process of the guest comes from systemd and has its slack."""
    text = f"[Manager]\nTimerSlackNSec={TIMER_SLACK_NS}\n"
    return (GuestFile.text("/etc/systemd/system.conf.d/20-emulated.conf", text),)
