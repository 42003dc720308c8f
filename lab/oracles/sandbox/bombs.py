"""Whether the memory limit of a pod ended its bomb, and nothing else did."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edge_lab.oracles.sandbox.records import BombProgress

KILLED = 137
"""128 and SIGKILL: of the program, or under gVisor of the whole sandbox, whose stand-in process
ends so."""


def memory_problems(
    pod: Mapping[str, Any], progress: BombProgress | None, limit_mib: int, overhead_mib: int
) -> list[str]:
    """What speaks against it; `overhead_mib` is what the pod may use beside its container."""
    status = pod["status"]
    found = [one.get("state", {}).get("terminated") for one in status.get("containerStatuses", ())]
    codes = [ended["exitCode"] for ended in found if ended]
    problems = []
    if status.get("reason"):
        problems.append(f"the pod ended by {status['reason']}")
    if codes != [KILLED]:
        problems.append(f"exit codes {codes}, not {KILLED}")
    if progress is None:
        return [*problems, "it has said nothing"]
    if progress.done:
        problems.append("it came to its own end")
    if not limit_mib / 2 <= progress.reached <= limit_mib + overhead_mib:
        problems.append(f"it ended at {progress.reached} MiB")
    return problems
