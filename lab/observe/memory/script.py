"""The shell script that reads a node's memory: a few processes, whatever the load.

Every line is a line of a file after the file's path, as grep -H prints it.
"""

from __future__ import annotations

from edge_lab.observe.memory.files import CGROUPS
from edge_lab.provisioning.cri import CriRuntime

_STAT = "anon|file|kernel|shmem|slab|kernel_stack|pagetables|percpu|sock|vmalloc"
_EVENTS = "low|high|max|oom|oom_kill|oom_group_kill"

_SNAPSHOT = f"""\
grep -HE '^(Mem|Buffers|Cached|SwapCached|AnonPages|Shmem:|Slab|SReclaimable|KernelStack|\
PageTables|SecPageTables|Percpu|VmallocUsed)' /proc/meminfo
grep -HE '^(oom_kill|pgsteal_kswapd|pgsteal_direct|workingset_refault_file) ' /proc/vmstat
grep -Hs '' /proc/pressure/memory
grep -rHsE '^([0-9]+|({_STAT}|{_EVENTS}) [0-9]+)$' {CGROUPS} \
--include=memory.stat --include=memory.events --include=memory.current --include=memory.peak
grep -oHsE '"(@ANNOTATIONS@)": ?"[^"]*"' @STATES@/config.json
true
"""

PROCESSES = """\
grep -HsE '^Pss:' /proc/[0-9]*/smaps_rollup
grep -HsE '^0::' /proc/[0-9]*/cgroup
true
"""
"""In addition, for processes: the kernel walks the page tables of each."""

END = "."
"""A line that ends a snapshot of `loop`."""


def snapshot(runtime: CriRuntime) -> str:
    """The script for a node with that container runtime."""
    names = runtime.annotations
    wanted = "|".join((names.namespace, names.name, names.uid))
    return _SNAPSHOT.replace("@ANNOTATIONS@", wanted).replace("@STATES@", runtime.states)


def loop(runtime: CriRuntime, every_s: int) -> str:
    """The same, repeated every `every_s` seconds."""
    return f"while :; do {snapshot(runtime)} echo {END}; sleep {every_s}; done"
