"""What stops pods that exhaust a resource: the declared limit, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from edge_lab.addons.hostile.settings import Setting
from edge_lab.oracles.memory.casualties import pod_uid
from edge_lab.oracles.memory.kernellog import KernelKill
from edge_lab.oracles.sandbox.records import BombProgress

KILLED = 137
"""128 + SIGKILL: of the program, or under gVisor of the whole sandbox, whose stand-in process exits
with it."""

OWN_LIMIT, BY_SIGNAL, EVICTED = "its own limit", "killed", "evicted"
"""What may stop a bomb, besides the names of error numbers and `exit N`."""


@dataclass(frozen=True)
class BombRow:
    """One kind of bomb, and what stops it."""

    title: str
    unit: str
    limit: int
    """The bomb's own limit, beyond that of the pod or node."""
    harmless: int
    """The control, which takes as much as any pod may."""
    runc: frozenset[str]
    gvisor: frozenset[str]
    note: str
    memory_mib: int = 256
    storage_mib: int = 0
    folder: str = "/tmp"  # noqa: S108 - of a pod
    """Where it creates files."""

    def stops(self, setting: Setting) -> frozenset[str]:
        """What may stop it in a pod of that setting."""
        return self.gvisor if setting.sandboxed else self.runc


def _stops(*words: str) -> frozenset[str]:
    return frozenset(words)


BOMBS: Mapping[str, BombRow] = MappingProxyType(
    {
        "fork": BombRow(
            "processes",
            "processes",
            limit=400,
            harmless=10,
            runc=_stops("EAGAIN", "exit 2"),
            gvisor=_stops("EAGAIN", "ENOMEM", "exit 2", BY_SIGNAL),
            note="podPidsLimit of the kubelet, of threads too; Go's runtime ends with 2 for want "
            "of a thread, and in a sandbox it is the Sentry's threads that count",
            memory_mib=640,
        ),
        "files": BombRow(
            "open files",
            "files",
            limit=1_200_000,
            harmless=1000,
            runc=_stops("EMFILE", BY_SIGNAL),
            gvisor=_stops("EMFILE", "ENFILE", "ENOMEM", BY_SIGNAL),
            note="Kubernetes has no limit of them: RLIMIT_NOFILE of the container runtime, or the "
            "pod's memory, which they take from the kernel",
            memory_mib=128,
        ),
        "disk": BombRow(
            "written to its root",
            "MiB",
            limit=96,
            harmless=16,
            runc=_stops(EVICTED),
            gvisor=_stops(EVICTED),
            note="ephemeral-storage: the kubelet looks every ten seconds, and no write is stopped; "
            "not in /tmp, which gVisor keeps in the sandbox's memory",
            storage_mib=48,
            folder="/",
        ),
        "inodes": BombRow(
            "files in its root",
            "files",
            limit=20_000,
            harmless=1000,
            runc=_stops(OWN_LIMIT),
            gvisor=_stops(OWN_LIMIT, BY_SIGNAL),
            note="Kubernetes has no limit of them: nothing but nodefs.inodesFree of the node as a "
            "whole; in a sandbox they take the pod's memory",
        ),
        "log": BombRow(
            "log",
            "KiB",
            limit=64 * 1024,
            harmless=1024,
            runc=_stops(EVICTED),
            gvisor=_stops(EVICTED),
            note="ephemeral-storage counts logs, which are rotated at 10 MiB every ten seconds",
            storage_mib=16,
        ),
    }
)
"""All bombs except memory, which has its own evidence."""


def end_of(pod: Mapping[str, Any], progress: BombProgress | None) -> str:
    """What stopped the bomb of `pod`; empty if nothing has yet."""
    status = pod.get("status", {})
    if status.get("reason") == "Evicted":
        return EVICTED
    codes = _exit_codes(status)
    done = progress is not None and progress.done
    if progress is not None and done and codes in ([], [0]):
        return progress.errno or OWN_LIMIT
    if not codes:
        return ""
    return BY_SIGNAL if codes == [KILLED] else f"exit {codes[0]}"


def is_final(stopped_by: str, expected: frozenset[str]) -> bool:
    """Whether the wait is over: a bomb that ended by itself may still be evicted."""
    return bool(stopped_by) and (stopped_by != OWN_LIMIT or OWN_LIMIT in expected)


def bomb_problems(
    kind: str, setting: Setting, stopped_by: str, progress: BombProgress | None
) -> list[str]:
    """Problems if it was not stopped as declared."""
    expected = BOMBS[kind].stops(setting)
    problems = []
    if stopped_by not in expected:
        problems.append(
            f"stopped by {stopped_by or 'nothing'}; expected: {'/'.join(sorted(expected))}"
        )
    if stopped_by != EVICTED and (progress is None or not progress.reached):
        problems.append("it used nothing")
    return problems


def _exit_codes(status: Mapping[str, Any]) -> list[int]:
    found = [
        container.get("state", {}).get("terminated")
        for container in status.get("containerStatuses", ())
    ]
    return [ended["exitCode"] for ended in found if ended]


# -- memory ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class KillEvidence:
    """Kills for lack of memory, by the node's kernel."""

    kills: Sequence[KernelKill]
    """By the kernel's log, since boot."""
    counted: int
    """By memory.events of all pods: the number of processes killed since before."""


def memory_problems(
    pod: Mapping[str, Any],
    progress: BombProgress | None,
    limit_mib: int,
    overhead_mib: int,
    evidence: KillEvidence,
) -> list[str]:
    """Problems if anything but its memory limit ended it; `overhead_mib` is what the pod may use
    besides its container."""
    status = pod["status"]
    codes = _exit_codes(status)
    problems = []
    if status.get("reason"):
        problems.append(f"the pod ended by {status['reason']}")
    if codes != [KILLED]:
        problems.append(f"exit codes {codes}, not {KILLED}")
    problems += _kill_problems(pod["metadata"]["uid"], evidence)
    if progress is None:
        return [*problems, "it printed nothing"]
    if progress.done:
        problems.append("it ended by itself")
    if not limit_mib / 2 <= progress.reached <= limit_mib + overhead_mib:
        problems.append(f"it ended at {progress.reached} MiB")
    return problems


def _kill_problems(uid: str, evidence: KillEvidence) -> list[str]:
    kills = [kill for kill in evidence.kills if pod_uid(kill.group) == uid]
    if not kills:
        return ["the kernel's log has no kill in the pod's control group"]
    if not all(kill.by_limit and pod_uid(kill.limit) in ("", uid) for kill in kills):
        return [f"not at the pod's own limit: {kills}"]
    if evidence.counted < 1:
        return ["the kernel's log has a kill that memory.events does not count"]
    return []
