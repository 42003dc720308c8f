"""What the scheduler has decided on pods, and whether it may."""

from __future__ import annotations

from typing import TYPE_CHECKING

import allure

from edge_lab.addons.workload import NAMESPACE
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.outcomes import eventually
from edge_lab.observe.scheduling.podwatch import PodWatch
from edge_lab.oracles.scheduling.placement import PENDING_REASON, Placement, placement
from edge_lab.oracles.scheduling.stages import Moment
from suites.pods import POD_SECONDS
from suites.scheduling.objects import events_of

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

DECIDED_SECONDS = 120.0


def bound(lab: Lab, watch: PodWatch, name: str, time_limit: TimeLimit) -> Placement:
    """The verdict on one pod when the scheduler has bound it; refused before it may have been, by
    a scheduler that did not know of the node's change yet."""
    limit = time_limit(DECIDED_SECONDS)
    eventually(f"{name} is bound", lambda: watch.has(name, Moment.SCHEDULED), limit)
    return decided(lab, watch, name, time_limit)


def decided(lab: Lab, watch: PodWatch, name: str, time_limit: TimeLimit) -> Placement:
    """The verdict on one pod when the scheduler has bound it, or said that it cannot."""
    eventually(
        f"the scheduler has decided on {name}",
        lambda: is_decided(lab, watch, name, time_limit),
        time_limit(DECIDED_SECONDS),
    )
    limit = time_limit(60)
    found = placement(
        lab.kubectl.get_json("pod", name, "-n", NAMESPACE, deadline=limit),
        lab.kubectl.items("nodes", deadline=limit),
        lab.kubectl.items("pods", "-A", deadline=limit),
        events_of(lab, watch, name, time_limit(60)),
    )
    allure.attach(str(found), f"placement of {name}", allure.attachment_type.TEXT)
    return found


def is_decided(lab: Lab, watch: PodWatch, name: str, time_limit: TimeLimit) -> bool:
    """Whether the scheduler has bound the pod, or said that it cannot."""
    return watch.has(name, Moment.SCHEDULED) or any(
        event.startswith(PENDING_REASON) for event in events_of(lab, watch, name, time_limit(60))
    )


def running(watch: PodWatch, name: str, time_limit: TimeLimit) -> None:
    """Waits until the pod runs."""
    eventually(f"{name} runs", lambda: watch.has(name, Moment.RUNNING), time_limit(POD_SECONDS))


def gone(watch: PodWatch, name: str, time_limit: TimeLimit) -> None:
    """Waits until the pod is gone."""

    def deleted() -> bool:
        return any(event.kind == "DELETED" for event in watch.events(name))

    eventually(f"{name} is gone", deleted, time_limit(POD_SECONDS))
