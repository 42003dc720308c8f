"""What keeps a guest that runs short of memory from thrashing: the kernel kills in time.

The last that the kernel takes before it kills are the pages of programs that run. A kubelet
whose own pages are read from the disk again and again neither evicts nor reports, and an OOM killer
that waits until nothing at all can be reclaimed does not come either. Seen on a node of 2 GiB
(aarch64, emulated) with a pod that grew: below 100 MiB available the node was no longer Ready, and
after another minute nobody had been killed or evicted. With the setting below, made at that
moment, the kernel killed the pod within ten seconds.
"""

from __future__ import annotations

from edge_lab.provisioning.provision import GuestFile

MIN_TTL_MS = 1_000
"""The pages that were used in so many milliseconds are the working set, which the kernel keeps: it
kills rather than give it up. Linux' own is 0; a second is what its documentation proposes
(https://docs.kernel.org/admin-guide/mm/multigen_lru.html#thrashing-prevention)."""


def guest_files() -> tuple[GuestFile, ...]:
    """For the seed disk: systemd-tmpfiles writes it at each boot, where the kernel has it."""
    text = f"w- /sys/kernel/mm/lru_gen/min_ttl_ms - - - - {MIN_TTL_MS}\n"
    return (GuestFile.text("/etc/tmpfiles.d/60-edge-lab-working-set.conf", text),)
