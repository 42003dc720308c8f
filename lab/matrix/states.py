"""The state of each shard on a cluster, from its pods and its Job."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from edge_lab.matrix.objects import CONTAINER, RETRIED, ShardJob
from edge_lab.matrix.record import RETRIES

INDEX = "batch.kubernetes.io/job-completion-index"
"""Label and annotation of a pod of an Indexed Job."""


class ShardState(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    ENDED = "ended"
    """Its pod, which the Job's controller has not counted yet."""
    RETRIED = "to be retried"
    PASSED = "passed"
    FAILED = "failed"


@dataclass(frozen=True)
class ShardProgress:
    """One shard, by its number in the plan."""

    index: int
    state: ShardState
    pods: int = 0
    code: int | None = None
    """The exit code of its last pod, if it has ended."""
    detail: str = ""
    """Why it waits."""

    def __str__(self) -> str:
        code = "" if self.code is None else f", exit code {self.code}"
        again = f", attempt {self.pods}" if self.pods > 1 else ""
        return f"{self.state}{code}{again}{f': {self.detail}' if self.detail else ''}"


def progress_of(
    job: ShardJob, status: Mapping[str, Any], pods: Iterable[Mapping[str, Any]]
) -> tuple[ShardProgress, ...]:
    """All shards of a Job. `status` is the Job's; both are as in JSON."""
    completed = indexes(str(status.get("completedIndexes") or ""))
    failed = indexes(str(status.get("failedIndexes") or ""))
    by_index: dict[int, list[Mapping[str, Any]]] = {}
    for pod in pods:
        number = (pod["metadata"].get("labels") or {}).get(INDEX)
        if number is not None and str(number).isdecimal():
            by_index.setdefault(int(number), []).append(pod)
    return tuple(
        _progress(job.first + index, index in completed, index in failed, by_index.get(index, ()))
        for index in range(len(job.shards))
    )


def _progress(
    index: int, completed: bool, failed: bool, pods: Sequence[Mapping[str, Any]]
) -> ShardProgress:
    in_order = sorted(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp")))
    last = in_order[-1] if in_order else None
    code = _exit_code(last) if last is not None else None
    if completed:
        return ShardProgress(index, ShardState.PASSED, len(pods), code)
    if failed:
        return ShardProgress(index, ShardState.FAILED, len(pods), code)
    if last is None:
        return ShardProgress(index, ShardState.WAITING)
    phase = (last.get("status") or {}).get("phase")
    if phase in ("Failed", "Succeeded"):
        again = phase == "Failed" and code in (None, *RETRIED) and len(pods) <= RETRIES
        state = ShardState.RETRIED if again else ShardState.ENDED
        return ShardProgress(index, state, len(pods), code)
    if phase == "Running":
        return ShardProgress(index, ShardState.RUNNING, len(pods))
    return ShardProgress(index, ShardState.WAITING, len(pods), detail=_why(last))


def _exit_code(pod: Mapping[str, Any]) -> int | None:
    for status in (pod.get("status") or {}).get("containerStatuses") or ():
        if status.get("name") == CONTAINER:
            ended = (status.get("state") or {}).get("terminated")
            return None if ended is None else int(ended["exitCode"])
    return None


def _why(pod: Mapping[str, Any]) -> str:
    status = pod.get("status") or {}
    for each in status.get("conditions") or ():
        if each.get("type") == "PodScheduled" and each.get("status") == "False":
            return f"{each.get('reason')}: {each.get('message')}"
    for each in status.get("containerStatuses") or ():
        waiting = (each.get("state") or {}).get("waiting") or {}
        if waiting:
            return ": ".join(filter(None, (waiting.get("reason"), waiting.get("message"))))
    return ""


def indexes(text: str) -> frozenset[int]:
    """The numbers in a Job's status: `0,3-5` is 0, 3, 4 and 5."""
    found: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return frozenset(found)


def is_over(status: Mapping[str, Any]) -> bool:
    """Whether the Job is complete or has failed, with all of its pods ended."""
    return any(
        each.get("type") in ("Complete", "Failed") and each.get("status") == "True"
        for each in status.get("conditions") or ()
    )
