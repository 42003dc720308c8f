"""Runs a command so that it, and all its child processes, end with the process that started it.

    python -I -S processguard.py <descriptor> <address space, bytes> command …

The descriptor is the read end of a pipe whose write end only the caller has open: when the
caller ends, for whatever reason, the pipe closes and the whole process group is killed.
PR_SET_PDEATHSIG would reach `go` but not the compilers that it starts, and depends on
which thread forked.  Standard library only: it runs without site-packages.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
from types import FrameType

NOT_RUNNABLE = 127


def _end_group(signum: int = 0, frame: FrameType | None = None) -> None:
    os.killpg(0, signal.SIGKILL)


def _end_with(pipe: int) -> None:
    """Kills the process group when the other end of the pipe is closed."""
    os.read(pipe, 1)
    _end_group()


def main(arguments: list[str]) -> int:
    """The exit status of the command, or 128 + the signal that ended it."""
    pipe, limit, *command = arguments
    if os.getpgrp() != os.getpid():
        os.setpgid(0, 0)
    for ending in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(ending, _end_group)
    if int(limit):
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        soft = int(limit) if hard == resource.RLIM_INFINITY else min(int(limit), hard)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    try:
        child = subprocess.Popen(command)
    except OSError as trouble:
        print(f"{command[0]}: {trouble.strerror}", file=sys.stderr)
        return NOT_RUNNABLE
    threading.Thread(target=_end_with, args=(int(pipe),), daemon=True).start()
    child.wait()
    return child.returncode if child.returncode >= 0 else 128 - child.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
