"""Processes that come before others on a busy host."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def come_first(niceness: int, pid: int = 0) -> None:
    """Gives a process (0: this one) a niceness, where that is allowed.

    With the kernel's autogroups (sched(7)) the niceness of a process counts only within its
    session, and each session gets an equal share. So one that leads a session of its own gives its
    niceness to the whole of it, too.
    """
    pid = pid or os.getpid()
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, pid, niceness)
    with contextlib.suppress(OSError):
        if os.getsid(pid) == pid:
            Path(f"/proc/{pid}/autogroup").write_text(str(niceness), encoding="ascii")
