"""Whether a pod of higher priority on a full node preempts another, and in which order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from edge_lab.core.errors import LabError
from edge_lab.oracles.scheduling.placement import PENDING_REASON
from edge_lab.oracles.spans import NANOSECONDS
from edge_lab.oracles.verdict import Judged

PREEMPTED = "PreemptionByScheduler"
"""The reason of the condition DisruptionTarget of a preempted pod."""

NEVER = "not eligible due to preemptionPolicy=Never"
"""In the scheduler's event for a pod that it did not bind: why it did not search for victims."""

UNEXPLAINED = "the scheduler did not give the policy Never as the reason for no preemption"


@dataclass(frozen=True)
class PodEvent:
    """One event of a watch on a pod."""

    time: int
    """When the host received it, ns since 1970."""
    kind: str
    """ADDED, MODIFIED or DELETED."""
    pod: Mapping[str, Any]


@dataclass(frozen=True)
class Preemption(Judged):
    """The verdict on a preemption."""

    running_after_s: float | None
    """From the urgent pod's creation until it was seen Running."""
    grace_s: int | None
    """The victim's grace period; None if it was not marked for deletion."""
    exit_code: int | None
    """The exit code of the victim's container; None if its end was not seen."""
    gone_after_s: float | None
    """From the urgent pod's creation until the victim was gone."""
    problems: tuple[str, ...]

    @property
    def head(self) -> str:
        return (
            f"Running after {_said(self.running_after_s)}, victim gone after "
            f"{_said(self.gone_after_s)}, grace {self.grace_s} s, exit code {self.exit_code}"
        )


def judge_preemption(
    urgent: Iterable[PodEvent], victim: Iterable[PodEvent], *, grace_s: int, exit_code: int
) -> Preemption:
    """Whether the scheduler preempted the victim with its grace period, and the urgent pod then
    ran.

    `exit_code` is the one with which the victim exits after SIGTERM if it has the time.

    Raises:
        LabError: one of the two was not seen at all.
    """
    rising, falling = list(urgent), list(victim)
    if not rising or not falling:
        raise LabError("no evidence: the watch did not see both pods")
    created = rising[0].time
    runs = _after(created, (event for event in rising if _phase(event) == "Running"))
    gone = _after(created, (event for event in falling if event.kind == "DELETED"))
    asked = next((event for event in falling if _grace(event) is not None), None)
    code = next((found for event in falling if (found := _exit_code(event)) is not None), None)
    problems = []
    if asked is None:
        problems.append("the victim was not marked for deletion")
    elif _grace(asked) != grace_s:
        problems.append(f"the victim was given {_grace(asked)} s of grace instead of {grace_s} s")
    if asked is not None and not any(_preempted(event) for event in falling):
        problems.append(f"no condition {PREEMPTED}: the victim was deleted for another reason")
    if asked is not None and code is None:
        problems.append("the victim's container was not seen to end")
    elif code is not None and code != exit_code:
        problems.append(
            f"the victim's container ended with {code}, not with {exit_code}: "
            "it got no SIGTERM, or no time to handle it"
        )
    if runs is None:
        problems.append("the urgent pod was not seen Running")
    return Preemption(
        running_after_s=runs,
        grace_s=None if asked is None else _grace(asked),
        exit_code=code,
        gone_after_s=gone,
        problems=tuple(problems),
    )


def judge_staying(events: Iterable[PodEvent]) -> tuple[str, ...]:
    """Problems of a pod that must stay: it was deleted, or marked for deletion."""
    seen = list(events)
    if not seen:
        raise LabError("no evidence: the watch did not see the pod that must stay")
    name = seen[0].pod["metadata"]["name"]
    if any(_grace(event) is not None or event.kind == "DELETED" for event in seen):
        return (f"{name} was deleted, but must stay",)
    return ()


def judge_never(
    waiting: Iterable[PodEvent], staying: Iterable[PodEvent], said: Iterable[str]
) -> tuple[str, ...]:
    """Problems of a pod with `preemptionPolicy: Never` on a node that another one fills.

    Args:
        waiting: What the watch saw of it.
        staying: What the watch saw of the pod that it must not preempt.
        said: The scheduler's events for it, as `reason: message`.

    Raises:
        LabError: one of the two was not seen at all.
    """
    seen = list(waiting)
    if not seen:
        raise LabError("no evidence: the watch did not see the pod that must wait")
    found = list(judge_staying(staying))
    if any(event.pod.get("spec", {}).get("nodeName") for event in seen):
        found.append(f"{seen[0].pod['metadata']['name']} was bound to a full node")
    refusals = [line for line in said if line.startswith(PENDING_REASON)]
    if not any(NEVER in line for line in refusals):
        found.append(UNEXPLAINED)
    return tuple(found)


def _said(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds:.1f} s"


def _after(since: int, events: Iterable[PodEvent]) -> float | None:
    first = next(iter(events), None)
    return None if first is None else (first.time - since) / NANOSECONDS


def _phase(event: PodEvent) -> str:
    return str(event.pod.get("status", {}).get("phase", ""))


def _grace(event: PodEvent) -> int | None:
    """The grace period given when it was marked for deletion. At its end it is 0."""
    meta = event.pod["metadata"]
    if "deletionTimestamp" not in meta or event.kind == "DELETED":
        return None
    return int(meta.get("deletionGracePeriodSeconds", 0))


def _preempted(event: PodEvent) -> bool:
    conditions = event.pod.get("status", {}).get("conditions") or ()
    return any(
        found.get("type") == "DisruptionTarget" and found.get("reason") == PREEMPTED
        for found in conditions
    )


def _exit_code(event: PodEvent) -> int | None:
    for status in event.pod.get("status", {}).get("containerStatuses") or ():
        ended = (status.get("state") or {}).get("terminated")
        if ended:
            return int(ended["exitCode"])
    return None
