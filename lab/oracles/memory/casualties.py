"""Casualties of a memory shortage: pods and processes, each with what ended it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from edge_lab.evidence.memory import ClusterEvent, MemoryEvidence, PodMemory
from edge_lab.oracles.memory.kernellog import KernelKill

_POD = re.compile(r"/[^/]*pod([0-9a-f]{8}[-_][0-9a-f_-]{27})")

EVICTED = "Evicted"
OOM_KILLED, KILLED_EXIT = "OOMKilled", 137
SYSTEM_OOM = "SystemOOM"
"""Reason of the kubelet's event on a node that was out of memory as a whole."""


class Cause(StrEnum):
    OWN_LIMIT = "killed by the kernel at its own limit"
    OTHER_LIMIT = "killed by the kernel at a limit that is not its own"
    NODE = "killed by the kernel, as the node was out of memory"
    EVICTION = "evicted by the kubelet"

    @property
    def is_choice(self) -> bool:
        """Whether it was chosen as the victim among all pods."""
        return self in (Cause.NODE, Cause.EVICTION)


@dataclass(frozen=True)
class Casualty:
    """A pod, or a process outside pods, that was ended for lack of memory."""

    name: str
    """namespace/name of a pod; outside pods, the unit or the name of the process."""
    cause: Cause
    time: int
    """The first time, ns since 1970; 0 if unknown."""
    pod: PodMemory | None = None
    kills: tuple[KernelKill, ...] = ()

    def __str__(self) -> str:
        killed = ", ".join(f"{kill.process} ({kill.rss_mib:.0f} MiB)" for kill in self.kills)
        return f"{self.name} was {self.cause.value}" + (f": {killed}" if killed else "")


def casualties(evidence: MemoryEvidence, kills: Iterable[KernelKill]) -> tuple[Casualty, ...]:
    """All casualties, in the order of time."""
    pods = {pod.uid: pod for pod in (*evidence.pods_after, *evidence.pods_before)}
    found: dict[tuple[str, Cause], list[KernelKill]] = {}
    victims: dict[str, PodMemory | None] = {}
    for kill in kills:
        uid = pod_uid(kill.group)
        pod = pods.get(uid)
        name = pod.key if pod is not None else f"pod {uid}" if uid else _outside(kill)
        victims[name] = pod
        found.setdefault((name, _cause(kill)), []).append(kill)
    lost = [
        Casualty(name, cause, killed[0].time, victims[name], tuple(killed))
        for (name, cause), killed in found.items()
    ]
    return tuple(sorted([*lost, *_evicted(evidence)], key=lambda casualty: casualty.time))


def pod_uid(group: str) -> str:
    """The uid of the pod that a control group belongs to; empty if it belongs to none."""
    found = _POD.search(group)
    return found[1].replace("_", "-") if found else ""


def _outside(kill: KernelKill) -> str:
    unit = kill.group.rpartition("/")[2]
    return unit if unit.endswith((".service", ".scope")) else kill.process


def _cause(kill: KernelKill) -> Cause:
    if not kill.by_limit:
        return Cause.NODE
    pod = pod_uid(kill.group)
    own = pod_uid(kill.limit) == pod if pod else kill.limit == kill.group
    return Cause.OWN_LIMIT if own else Cause.OTHER_LIMIT


def _evicted(evidence: MemoryEvidence) -> Iterator[Casualty]:
    known = {pod.uid for pod in evidence.pods_before if pod.reason == EVICTED}
    after = {pod.key: pod for pod in evidence.pods_after}
    before = {pod.key: pod for pod in evidence.pods_before}
    said = {event.name: event for event in evictions(evidence)}
    names = [pod.key for pod in after.values() if pod.reason == EVICTED and pod.uid not in known]
    names += [event for event in said if event not in names and event in before]
    for name in names:
        event = said.get(name)
        yield Casualty(
            name, Cause.EVICTION, event.time if event else 0, before.get(name) or after[name]
        )


def evictions(evidence: MemoryEvidence) -> Iterator[ClusterEvent]:
    """Events of evictions for memory since the evidence began."""
    for event in evidence.events or ():
        if (
            event.reason == EVICTED
            and "memory" in event.message
            and event.time >= _second(evidence)
        ):
            yield event


def _second(evidence: MemoryEvidence) -> int:
    """When the evidence began; events have a resolution of one second."""
    return evidence.began - evidence.began % 1_000_000_000


def is_told(casualty: Casualty, evidence: MemoryEvidence) -> bool:
    """Whether the cluster reported that a pod was killed or evicted, and why."""
    after = [pod for pod in evidence.pods_after if pod.key == casualty.name]
    if casualty.cause is Cause.EVICTION:
        return any(pod.reason == EVICTED for pod in after) or any(
            event.name == casualty.name for event in evictions(evidence)
        )
    return any(
        end.reason == OOM_KILLED and end.exit_code == KILLED_EXIT
        for pod in after
        if casualty.pod is None or pod.uid == casualty.pod.uid
        for end in pod.ends
    )


def is_told_by_node(casualty: Casualty, evidence: MemoryEvidence) -> bool:
    """Whether an event on the node names one of the killed processes."""
    return any(
        event.kind == "Node"
        and event.reason == SYSTEM_OOM
        and any(re.search(rf"\bpid: {kill.pid}\b", event.message) for kill in casualty.kills)
        for event in evidence.events or ()
    )
