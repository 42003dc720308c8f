"""What only an emulated guest is told: to do less of what costs an emulated CPU most.

Figures: a default lab at rest with the host's two cores near their limit, one riscv64 node traced
for 20 s.
"""

from __future__ import annotations

from lab.provision import GuestFile

WITHOUT = ("hugetlb", "rdma", "misc", "pressure")
"""Controllers and features of control groups that the kernel leaves out.

A kubelet lists each pod's folder once for each controller, every two seconds, and reads all of it
now and then; a third of the files there belong to these four, of which nothing in a lab makes use.
`pressure` is that of single groups: /proc/pressure stays.
"""

TIMER_SLACK_NS = 2_000_000
"""How much later than asked a timer may fire, ns; Linux' own is 50,000.

The scheduler of each Go program sleeps for 20 µs again and again while there is work, and each
sleep takes 0.6 ms of an emulated CPU: a quarter of what a kubelet did at rest. With two
milliseconds an aarch64 node at rest did three tenths less, a riscv64 node one seventh; with ten,
hardly more.
"""


def kernel_arguments() -> str:
    """For the kernel's command line."""
    return f" cgroup_disable={','.join(WITHOUT)}"


def guest_files() -> tuple[GuestFile, ...]:
    """For the seed disk. Every process of the guest comes from systemd and has its slack."""
    text = f"[Manager]\nTimerSlackNSec={TIMER_SLACK_NS}\n"
    return (GuestFile.text("/etc/systemd/system.conf.d/20-emulated.conf", text),)
