"""The priority of processes on a busy host."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def come_first(niceness: int, pid: int = 0) -> None:
    """Sets the niceness of a process (0: this one), if that is permitted.

    With the kernel's autogroups (sched(7)) the niceness of a process counts only within its
    session, and each session gets an equal share. So for a session leader the niceness of the whole
    session is set as well.
    """
    pid = pid or os.getpid()
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, pid, niceness)
    with contextlib.suppress(OSError):
        if os.getsid(pid) == pid:
            Path(f"/proc/{pid}/autogroup").write_text(str(niceness), encoding="ascii")
