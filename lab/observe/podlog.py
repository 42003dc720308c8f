"""The log of a container from its node's files, below /var/log/pods.

This needs neither exec nor the kubelet's port: it works on every edge runtime, also for pods that
have ended.
"""

from __future__ import annotations

import shlex

FOLDER = "/var/log/pods"


def log_command(namespace: str, pod: str, uid: str, container: str) -> str:
    """The shell command for the node; it prints nothing if there is no log yet."""
    folder = f"{FOLDER}/{namespace}_{pod}_{uid}/{container}"
    # N.log is of the N-th start; N.log.TIME and N.log.TIME.gz were rotated out of it. Sorted by the
    # number of the start, then by time with N.log last, which `~` is for.
    files = r"^[0-9]+\.log(\.[0-9-]+(\.gz)?)?$"
    return (
        f"cd {shlex.quote(folder)} 2>/dev/null && ls | grep -E {shlex.quote(files)}"
        r" | sed 's/\.log$/.log.~/' | LC_ALL=C sort -t . -k 1,1n -k 3 | sed 's/\.~$//'"
        " | xargs -r zcat -f; true"
    )


def end_command(namespace: str, pod: str, uid: str, container: str) -> str:
    """The command for the last 16 KiB of the current log of the first start, which may begin within
    a line."""
    file = f"{FOLDER}/{namespace}_{pod}_{uid}/{container}/0.log"
    return f"tail -c 16384 {shlex.quote(file)} 2>/dev/null; true"


def unwrapped(log: str) -> str:
    """The container's standard output, without what the runtime adds to lines.

    A line is `TIME stdout|stderr F|P TEXT`; P is a partial line, continued in the next (CRI).
    Other lines, such as incomplete ones, are ignored.
    """
    text: list[str] = []
    for line in log.splitlines():
        words = line.split(" ", 3)
        if len(words) < 3 or words[1] != "stdout":
            continue
        text.append(words[3] if len(words) == 4 else "")
        if words[2].split(":")[0] == "F":
            text.append("\n")
    return "".join(text)
