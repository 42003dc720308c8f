"""The kernel's log of processes that it killed for lack of memory (mm/oom_kill.c).

    oom-kill:constraint=CONSTRAINT_MEMCG,…,oom_memcg=/a,task_memcg=/a/b,task=tail,pid=7,uid=0
    Memory cgroup out of memory: Killed process 7 (tail) total-vm:9kB, anon-rss:8kB, …
    Out of memory: Killed process 8 (sh) total-vm:9kB, anon-rss:8kB, …

The first line gives the reason and the control group, once for each search for a victim; at many
searches within seconds the kernel omits it. If the victim's group is killed as a whole
(memory.oom.group), several lines of the second kind follow.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

_STAMP = re.compile(r"(\d+\.\d+) \S+ (.*)")
"""The time prefix of `journalctl -o short-unix`."""

_REASON = re.compile(
    r"oom-kill:constraint=(?P<constraint>\w+),.*?"
    r"(?:oom_memcg=(?P<limit>/.*?),)?task_memcg=(?P<group>/.*),task=.*,pid=(?P<pid>\d+),uid=\d+$"
)
_KILLED = re.compile(
    r"(?P<what>Memory cgroup out of memory|Out of memory[^:]*): Killed process (?P<pid>\d+) "
    r"\((?P<process>.*)\),? total-vm:\d+kB, anon-rss:(?P<anon>\d+)kB, file-rss:(?P<file>\d+)kB"
    r"(?:, shmem-rss:(?P<shmem>\d+)kB)?(?:.*oom_score_adj:(?P<adj>-?\d+))?"
)
_WHOLE = re.compile(r"Tasks in (?P<group>/.*) are going to be killed due to memory\.oom\.group set")


@dataclass(frozen=True)
class KernelKill:
    """One process that the kernel killed for lack of memory."""

    time: int
    """ns since 1970 on the node's clock."""
    pid: int
    process: str
    rss_mib: float
    by_limit: bool
    """Whether a control group was at its limit; otherwise the whole node was out of memory."""
    limit: str = ""
    """The control group that was at its limit; empty if the log does not say."""
    group: str = ""
    """The control group of the process; empty if the log does not say."""
    score_adj: int | None = None


def parse_kernel_log(lines: Iterable[str]) -> tuple[KernelKill, ...]:
    """The kills in a log, in order; other lines are ignored."""
    kills: list[KernelKill] = []
    limit, group, pid = "", "", 0
    whole = ""
    for line in lines:
        stamp = _STAMP.match(line)
        if stamp is None:
            continue
        text = stamp[2]
        if found := _REASON.search(text):
            limit, group, pid = found["limit"] or "", found["group"], int(found["pid"])
            whole = ""
        elif found := _WHOLE.search(text):
            whole = found["group"]
        elif found := _KILLED.search(text):
            kill = _kill(_nanoseconds(stamp[1]), found)
            if kill.pid == pid:
                kill = replace(kill, limit=limit, group=group)
            elif whole:
                kill = replace(kill, limit=limit, group=whole)
            kills.append(kill)
    return tuple(kills)


def _kill(time: int, found: re.Match[str]) -> KernelKill:
    kib = sum(int(found[name] or 0) for name in ("anon", "file", "shmem"))
    return KernelKill(
        time=time,
        pid=int(found["pid"]),
        process=found["process"],
        rss_mib=kib / 1024,
        by_limit=found["what"].startswith("Memory cgroup"),
        score_adj=None if found["adj"] is None else int(found["adj"]),
    )


def _nanoseconds(seconds: str) -> int:
    whole, _, part = seconds.partition(".")
    return int(whole) * 1_000_000_000 + int(part.ljust(9, "0")[:9])
