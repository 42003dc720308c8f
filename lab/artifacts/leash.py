"""Runs a command so that it, and all that it starts, ends with the process that asked for it.

    python -I -S leash.py <descriptor> <address space, bytes> command …

The descriptor is the reading end of a pipe whose writing end only the asker holds: when
the asker dies, however it dies, the pipe closes and the whole process group is killed.
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
    """Ends the group when the other end of the pipe is closed."""
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
