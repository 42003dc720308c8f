"""Runs hostile pods that exhaust a resource, with the node's view of them."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edge_lab.addons.hostile.pods import HostilePod
from edge_lab.addons.workload import NAMESPACE
from edge_lab.cluster.kubectl import NOT_YET
from edge_lab.core.errors import DeadlineExceeded
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.nodes import LabNode
from edge_lab.fixtures.sandbox import HostilePods
from edge_lab.oracles.memory.kernellog import KernelKill, parse_kernel_log
from edge_lab.oracles.sandbox.bombs import end_of, is_final
from edge_lab.oracles.sandbox.records import BombProgress, parse_bomb

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

END_SECONDS = 420.0
"""Seconds for a bomb to be stopped; the kubelet checks disks and logs every ten seconds."""

_KILLS = (
    "journalctl -q -k -b -o short-unix --no-pager"
    " | grep -E 'oom-kill:|Killed process|memory.oom.group' | tail -n 200; true"
)
_COUNTED = (
    "awk '$1 == \"oom_kill\" {n += $2} END {print n + 0}' /sys/fs/cgroup/kubepods*/memory.events"
)


@dataclass(frozen=True)
class BombRun:
    """The result of one pod."""

    uid: str
    stopped_by: str
    """As from `end_of`; empty if nothing stopped it in time."""
    progress: BombProgress | None
    pod: Mapping[str, Any]
    """The last observed object."""
    pids_limit: str
    """pids.max of the pod's control group; empty if it was not seen."""
    pids_refused: int
    """How often the kernel refused a process there, by its pids.events."""


def explode(
    lab: Lab,
    node: LabNode,
    pods: HostilePods,
    pod: HostilePod,
    expected: frozenset[str],
    time_limit: TimeLimit,
) -> BombRun:
    """Runs the pod until it has been stopped for good."""
    with pods.applied(pod) as uid:
        run = BombRun(uid, "", None, {}, "", 0)

        def stopped() -> bool:
            nonlocal run
            found = lab.kubectl.get_json("pod", pod.name, "-n", NAMESPACE, deadline=time_limit(60))
            said = parse_bomb(pods.log_end(pod, uid))
            limit, refused = _pids(node, uid)
            run = BombRun(
                uid,
                end_of(found, said or run.progress),
                said or run.progress,
                found,
                limit or run.pids_limit,
                max(refused, run.pids_refused),
            )
            return is_final(run.stopped_by, expected)

        with contextlib.suppress(DeadlineExceeded):  # the state so far is judged
            time_limit(END_SECONDS).wait_for(
                f"{pod.name} is stopped", stopped, every=2.0, transient=NOT_YET
            )
    return run


def _pids(node: LabNode, uid: str) -> tuple[str, int]:
    """The limit of the pod's control group, and how often it was hit. The group is removed when the
    pod ends."""
    folder = f"/sys/fs/cgroup/kubepods*/**/pod{uid}"
    text = node.output(
        f"bash -O globstar -c 'cat {folder}/pids.max {folder}/pids.events' 2>/dev/null; true"
    )
    words = text.split()
    refused = words[words.index("max", 1) + 1] if "max" in words[1:] else "0"
    return (words[0], int(refused)) if words else ("", 0)


def kernel_kills(node: LabNode) -> tuple[KernelKill, ...]:
    """The kills in the node's kernel log, since boot."""
    return parse_kernel_log(node.output(_KILLS).splitlines())


def counted_kills(node: LabNode) -> int:
    """Processes that the kernel killed for lack of memory, by the control group of all pods."""
    return int(node.output(_COUNTED))


def boot_id(node: LabNode) -> str:
    """The boot id, which changes with each boot."""
    return node.output("cat /proc/sys/kernel/random/boot_id")
