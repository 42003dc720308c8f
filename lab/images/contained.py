"""Runs a build step as root of its own namespaces: its processes outlive neither it nor the caller.

In its PID namespace everything ends with the first process, and that ends with the thread that
started it (PR_SET_PDEATHSIG), however that ends.  Mounts stay in its mount namespace.  An
ordinary user is root in a user namespace, so that the files of a root disk can have their
owners.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import DeadlineExceeded, LabError

POLL_SECONDS = 0.1
TAIL_LINES = 15

TOOLS = {
    "setpriv": "util-linux",
    "unshare": "util-linux",
    "mmdebstrap": "mmdebstrap",
    "depmod": "kmod",
    "modprobe": "kmod",
    "mke2fs": "e2fsprogs",
    "debugfs": "e2fsprogs",
}
"""Programs for building images, with their Debian packages."""

_SYSTEM_FOLDERS = "/usr/local/sbin:/usr/sbin:/sbin"


def need_tools(names: Sequence[str]) -> None:
    """LabError if one of `names` is not installed."""
    lacking = sorted({TOOLS[name] for name in names if not shutil.which(name, path=tool_path())})
    if lacking:
        raise LabError(
            f"cannot build images: {', '.join(lacking)} not installed",
            remedy=f"As root: apt-get install {' '.join(lacking)}",
        )


def prefix() -> list[str]:
    """The prefix of a command that is to run in that way."""
    words = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork"]
    words.append("--kill-child=KILL")
    if os.geteuid() != 0:
        words += ["--user", "--map-root-user", "--map-auto"]
    return words


def check_namespaces() -> None:
    """LabError if this user cannot create a user namespace with a range of ids."""
    if os.geteuid() == 0:
        return
    tried = subprocess.run(
        [*prefix(), "true"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": tool_path()},
    )
    if tried.returncode:
        raise LabError(
            f"cannot create a user namespace for building images: {tried.stderr.strip()}",
            remedy="Install uidmap, give this user a range in /etc/subuid and /etc/subgid "
            "(usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER), and allow "
            "unprivileged user namespaces; or build as root.",
        )


def run_contained(
    argv: Sequence[str],
    *,
    what: str,
    log: Path,
    deadline: Deadline,
    env: Mapping[str, str] | None = None,
    watch: Callable[[str], None] = lambda text: None,
) -> None:
    """Runs `argv` to its end, and appends its output to `log`.

    `watch` gets the new output about ten times per second.

    Raises:
        LabError: it failed; the message has the end of its output and the name of the log.
        DeadlineExceeded: it was ended, with all its child processes.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, **(env or {}), "PATH": tool_path(), "LC_ALL": "C.UTF-8"}
    with log.open("ab") as sink, log.open("rb") as source:
        source.seek(0, os.SEEK_END)
        start = source.tell()
        process = subprocess.Popen(
            [*prefix(), *argv],
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            env=environment,
        )
        try:
            while process.poll() is None:
                watch(source.read().decode(errors="replace"))
                if deadline.expired:
                    raise DeadlineExceeded(
                        f"{what}: not done within {deadline.total:.0f} s", remedy=f"See {log}."
                    )
                time.sleep(POLL_SECONDS)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        if process.returncode:
            source.seek(start)
            text = source.read().decode(errors="replace")
            tail = "\n".join(f"  {line}" for line in text.splitlines()[-TAIL_LINES:])
            raise LabError(
                f"{what} failed (exit status {process.returncode}):\n{tail}", remedy=f"See {log}."
            )


def tool_path() -> str:
    """PATH with the folders of system tools, which an ordinary user's PATH may lack."""
    return f"{os.environ.get('PATH', os.defpath)}:{_SYSTEM_FOLDERS}"
