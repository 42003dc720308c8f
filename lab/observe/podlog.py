"""The log of a container as its node keeps it, below /var/log/pods.

It needs neither exec nor the kubelet's own port: it is there on every edge runtime, also of a pod
that has ended.
"""

from __future__ import annotations

import shlex

FOLDER = "/var/log/pods"


def log_command(namespace: str, pod: str, uid: str, container: str) -> str:
    """The command for a shell on the node; it prints nothing where there is no log yet."""
    folder = f"{FOLDER}/{namespace}_{pod}_{uid}/{container}"
    # Rotated files carry a time in their names, and so come before the newest in this order.
    return f"cat {shlex.quote(folder)}/?*.log 2>/dev/null; true"


def unwrapped(log: str) -> str:
    """What the container wrote to its standard output, without what the runtime adds to lines.

    A line is `TIME stdout|stderr F|P TEXT`; P is a part of one that goes on in the next (CRI).
    Other lines, as of a file that is being written, are left out.
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
