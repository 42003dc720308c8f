"""The history of a pod while it starts, and what must not happen to it."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from edge_lab.cluster.objects import restart_counts
from edge_lab.core.errors import LabError
from edge_lab.oracles.scheduling.preemption import PodEvent

ENDED = frozenset({"Failed", "Succeeded"})
"""Phases of a pod whose containers have ended and are not restarted."""


class PodHistory(BaseModel):
    """From the events of a watch, up to the moment when the lab deletes the pod."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    nodes: tuple[str, ...] = ()
    """The nodes it was bound to, in order; one, unless something is wrong."""
    restarts: int = 0
    """The number of restarts of its containers."""
    ended: str = ""
    """The phase in which it was seen, if one of `ENDED`."""
    removed: bool = False
    """Whether it was deleted, or marked for deletion."""

    def problems(self, pod: str, node: str) -> tuple[str, ...]:
        """Why this is not a normal start of one pod on that node."""
        found = []
        if self.nodes != (node,):
            where = ", then on ".join(self.nodes) or "no node"
            found.append(f"{pod} was bound to {where}, and may only be on {node}")
        if self.restarts:
            found.append(f"{pod} was restarted {self.restarts} times")
        if self.ended:
            found.append(f"{pod} has ended: {self.ended}")
        if self.removed:
            found.append(f"{pod} was removed while it was timed")
        return tuple(found)


def history_of(events: Sequence[PodEvent]) -> PodHistory:
    """The history from the events of one pod, in order; LabError if there are none."""
    if not events:
        raise LabError("no evidence: the watch did not see the pod")
    nodes = [str(node) for event in events if (node := event.pod.get("spec", {}).get("nodeName"))]
    phases = [str(event.pod.get("status", {}).get("phase", "")) for event in events]
    return PodHistory(
        nodes=tuple(dict.fromkeys(nodes)),
        restarts=max(sum(restart_counts(event.pod).values()) for event in events),
        ended=next((phase for phase in phases if phase in ENDED), ""),
        removed=any(_removed(event) for event in events),
    )


def _removed(event: PodEvent) -> bool:
    return event.kind == "DELETED" or "deletionTimestamp" in event.pod["metadata"]
