"""Which pods must be ended first when a node is short of memory.

Kubernetes ranks pods for eviction by whether they use more than they request, then by priority,
then by how much more (https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction/).
The kernel uses a score to which the kubelet adds 1000 for BestEffort, subtracts 997 for Guaranteed
and critical pods, and adds an amount between these by the request. Both spare pods within their
request, and critical pods longest; where the two differ, either order is accepted.
"""

from __future__ import annotations

from enum import IntEnum

from edge_lab.evidence.memory import Group, MemoryEvidence, PodMemory
from edge_lab.oracles.memory.casualties import Casualty

SYSTEM_CRITICAL = 2_000_000_000
"""The priority of system-cluster-critical; system-node-critical is 1000 above."""

SAME_TIME = 5_000_000_000
"""ns. Clocks differ, and events have a resolution of one second."""


class Rank(IntEnum):
    """Pods of a lower rank are ended first."""

    OVER_REQUEST = 0
    """Includes BestEffort pods, which request nothing."""
    WITHIN_REQUEST = 1
    GUARANTEED = 2
    CRITICAL = 3


def used_mib(pod: PodMemory, evidence: MemoryEvidence, until: int) -> float | None:
    """The maximum usage seen of the pod before a time; None if it was not seen."""
    seen = [
        part.mib
        for look in evidence.memory
        if look.time <= until + SAME_TIME or not until
        for part in look.parts
        if part.group is Group.PODS and part.name == pod.key
    ]
    return max(seen, default=None)


def rank_of(pod: PodMemory, used: float | None) -> Rank:
    """A Burstable pod whose usage was not seen is assumed to be within its request."""
    if pod.priority >= SYSTEM_CRITICAL:
        return Rank.CRITICAL
    if pod.qos == "Guaranteed":
        return Rank.GUARANTEED
    if pod.qos == "BestEffort" or (used is not None and used > pod.request_mib):
        return Rank.OVER_REQUEST
    return Rank.WITHIN_REQUEST


def should_have_gone_first(
    victim: Casualty, lost: tuple[Casualty, ...], evidence: MemoryEvidence
) -> tuple[PodMemory, ...]:
    """The pods that survived although they should have been ended before `victim`."""
    if victim.pod is None:
        return ()
    gone = {
        casualty.name
        for casualty in lost
        if not casualty.time or not victim.time or casualty.time <= victim.time + SAME_TIME
    }
    killed = sum(kill.rss_mib for kill in victim.kills)
    seen = used_mib(victim.pod, evidence, victim.time)
    used = max(seen or 0.0, killed) if seen is not None or victim.kills else None
    rank = rank_of(victim.pod, used)
    pods = {pod.key: pod for pod in (*evidence.pods_after, *evidence.pods_before)}
    return tuple(
        other
        for other in pods.values()
        if other.phase == "Running"
        and other.key not in gone
        and _is_before(other, used_mib(other, evidence, victim.time), victim.pod, used, rank)
    )


def _is_before(
    other: PodMemory, its: float | None, victim: PodMemory, used: float | None, rank: Rank
) -> bool:
    its_rank = rank_of(other, its)
    if its_rank < rank:
        return True
    if its is None or used is None or its_rank != rank or rank != Rank.OVER_REQUEST:
        return False
    return (
        other.qos == "BestEffort"
        and victim.qos != "BestEffort"
        and other.priority <= victim.priority
        and its >= used - victim.request_mib
    )
