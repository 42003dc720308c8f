"""The shell script that reads a node's memory: a few processes, whatever the load.

Every line is a line of a file after the file's path, as grep -H prints it.
"""

from __future__ import annotations

from edge_lab.observe.memory.files import CGROUPS
from edge_lab.observe.nodeview import TASKS

_STAT = "anon|file|kernel|shmem|slab|kernel_stack|pagetables|percpu|sock|vmalloc"
_EVENTS = "low|high|max|oom|oom_kill|oom_group_kill"

SNAPSHOT = f"""\
grep -HE '^(Mem|Buffers|Cached|SwapCached|AnonPages|Shmem:|Slab|SReclaimable|KernelStack|\
PageTables|SecPageTables|Percpu|VmallocUsed)' /proc/meminfo
grep -HE '^(oom_kill|pgsteal_kswapd|pgsteal_direct|workingset_refault_file) ' /proc/vmstat
grep -Hs '' /proc/pressure/memory
grep -rHsE '^([0-9]+|({_STAT}|{_EVENTS}) [0-9]+)$' {CGROUPS} \
--include=memory.stat --include=memory.events --include=memory.current --include=memory.peak
grep -oHsE '"io.kubernetes.cri.sandbox-(name|namespace|uid)":"[^"]*"' {TASKS}/*/config.json
true
"""

PROCESSES = """\
grep -HsE '^Pss:' /proc/[0-9]*/smaps_rollup
grep -HsE '^0::' /proc/[0-9]*/cgroup
true
"""
"""In addition, for processes: the kernel walks the page tables of each."""

END = "."
"""A line that ends a snapshot of `LOOP`."""

LOOP = f"while :; do {SNAPSHOT} echo {END}; sleep EVERY; done"
"""EVERY stands for seconds."""
