"""The memory of the host that labs may use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

EMULATOR_MIB = 384
"""What a QEMU process needs besides its guest's memory, mostly for translated code."""

_NO_LIMIT = 1 << 62
"""cgroup v1 reports "no limit" as the largest multiple of a page below 2^63."""


def memory_limit(read: Callable[[str], str | None]) -> int | None:
    """The lowest memory limit of this process's cgroups (v2 and v1), bytes; None without a limit.

    `read` returns the text of a file, None if it cannot be read.
    """
    limits = []
    for line in (read("/proc/self/cgroup") or "").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0":
            root, name = "/sys/fs/cgroup", "memory.max"
        elif "memory" in controllers.split(","):
            root, name = "/sys/fs/cgroup/memory", "memory.limit_in_bytes"
        else:
            continue
        at = Path(path)
        for folder in (at, *at.parents):
            text = (read(f"{root}{'' if str(folder) == '/' else folder}/{name}") or "").strip()
            if text.isdecimal():
                limits.append(int(text))
    least = min(limits, default=_NO_LIMIT)
    return least if least < _NO_LIMIT else None
