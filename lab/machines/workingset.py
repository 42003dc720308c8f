"""Keeps a guest that runs short of memory from thrashing: the kernel kills a process in time.

Before the kernel kills a process, it reclaims the pages of running programs. A kubelet whose pages
are read from the disk again and again neither evicts pods nor reports, and the OOM killer waits
until nothing can be reclaimed. Seen on a node with 2 GiB (aarch64, emulated) and a growing pod:
below 100 MiB available the node was no longer Ready, and a minute later nothing had been killed or
evicted. When the setting below was made then, the kernel killed the pod within ten seconds.
"""

from __future__ import annotations

from edge_lab.provisioning.provision import GuestFile

MIN_TTL_MS = 1_000
"""Pages used in the last MIN_TTL_MS milliseconds are the working set, which the kernel does not
reclaim: it kills instead. The default of Linux is 0; its documentation proposes a second
(https://docs.kernel.org/admin-guide/mm/multigen_lru.html#thrashing-prevention)."""


def guest_files() -> tuple[GuestFile, ...]:
    """For the seed disk: systemd-tmpfiles writes it at each boot, if the kernel supports it."""
    text = f"w- /sys/kernel/mm/lru_gen/min_ttl_ms - - - - {MIN_TTL_MS}\n"
    return (GuestFile.text("/etc/tmpfiles.d/60-edge-lab-working-set.conf", text),)
