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
    # N.log is of the N-th start and N.log.TIME, or N.log.TIME.gz, what was rotated out of it: in
    # order of starts by number, and of each the newest last, which `~` is for.
    files = r"^[0-9]+\.log(\.[0-9-]+(\.gz)?)?$"
    return (
        f"cd {shlex.quote(folder)} 2>/dev/null && ls | grep -E {shlex.quote(files)}"
        r" | sed 's/\.log$/.log.~/' | LC_ALL=C sort -t . -k 1,1n -k 3 | sed 's/\.~$//'"
        " | xargs -r zcat -f; true"
    )


def end_command(namespace: str, pod: str, uid: str, container: str) -> str:
    """The command for the last 16 KiB of what is written now, of the first start. They may begin
    within a line."""
    file = f"{FOLDER}/{namespace}_{pod}_{uid}/{container}/0.log"
    return f"tail -c 16384 {shlex.quote(file)} 2>/dev/null; true"


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
