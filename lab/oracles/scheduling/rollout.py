"""Whether a Deployment's rolling update kept enough pods available, and replaced each once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edge_lab.cluster.objects import pod_ready, restart_counts
from edge_lab.core.errors import LabError
from edge_lab.oracles.scheduling.preemption import PodEvent
from edge_lab.oracles.spans import NANOSECONDS
from edge_lab.oracles.verdict import Judged

REVISION = "pod-template-hash"
"""The label by which pods of two revisions differ."""


@dataclass(frozen=True)
class Rollout(Judged):
    """The verdict on one rolling update."""

    seconds: float | None
    """From the change until all pods of the new revision are available and the old ones are gone;
    None if that was not seen."""
    least_available: int
    most_pods: int
    """Most pods that were not being deleted."""
    problems: tuple[str, ...]

    @property
    def head(self) -> str:
        took = "not complete" if self.seconds is None else f"complete after {self.seconds:.1f} s"
        return f"{took}, at least {self.least_available} available, at most {self.most_pods} pods"


@dataclass(frozen=True)
class Demand:
    """The part of a Deployment by which its update is judged."""

    replicas: int
    max_unavailable: int
    max_surge: int


def judge_rollout(events: Sequence[PodEvent], changed: int, demand: Demand) -> Rollout:
    """The verdict on an update.

    Args:
        events: Of all pods of the Deployment, in order.
        changed: When the change was requested, ns since 1970.
        demand: What the Deployment demands.

    Raises:
        LabError: not all pods were available before the change.
    """
    pods: dict[str, Mapping[str, Any]] = {}
    for event in (event for event in events if event.time < changed):
        _apply(pods, event)
    old = {_revision(pod) for pod in pods.values()}
    if _available(pods) < demand.replicas or len(old) != 1:
        raise LabError(
            f"no evidence: {_available(pods)} of {demand.replicas} pods were available before"
            f" the change, of {len(old)} revisions"
        )
    least, most = _available(pods), _standing(pods)
    complete: int | None = None
    restarts = 0
    for event in (event for event in events if event.time >= changed):
        _apply(pods, event)
        least, most = min(least, _available(pods)), max(most, _standing(pods))
        restarts = max(restarts, sum(restart_counts(event.pod).values()))
        done = not any(_revision(pod) in old for pod in pods.values()) and (
            _available(pods) == demand.replicas
        )
        complete = (complete or event.time) if done else None
    problems = []
    if complete is None:
        problems.append("it is not complete")
    if least < demand.replicas - demand.max_unavailable:
        problems.append(f"only {least} pods were available, of {demand.replicas}")
    if most > demand.replicas + demand.max_surge:
        problems.append(f"there were {most} pods at once")
    if restarts:
        problems.append(f"a container was restarted {restarts} times")
    seconds = None if complete is None else (complete - changed) / NANOSECONDS
    return Rollout(seconds, least, most, tuple(problems))


def _apply(pods: dict[str, Mapping[str, Any]], event: PodEvent) -> None:
    uid = event.pod["metadata"]["uid"]
    if event.kind == "DELETED":
        pods.pop(uid, None)
    else:
        pods[uid] = event.pod


def _revision(pod: Mapping[str, Any]) -> str:
    return str(pod["metadata"].get("labels", {}).get(REVISION, ""))


def _available(pods: Mapping[str, Mapping[str, Any]]) -> int:
    return sum(pod_ready(pod) for pod in pods.values())


def _standing(pods: Mapping[str, Mapping[str, Any]]) -> int:
    return sum("deletionTimestamp" not in pod["metadata"] for pod in pods.values())
