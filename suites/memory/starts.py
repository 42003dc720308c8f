"""A new pod on a node that runs short of something: whether it starts, and what is said of it."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edge_lab.addons.workload import NAMESPACE
from edge_lab.core.deadline import Deadline
from edge_lab.fixtures.lab import TimeLimit
from suites.memory.memorypods import is_running, present, status_of
from suites.nodestate import seen_in_time
from suites.pods import events_of_uid

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

Pod = dict[str, Any]


@dataclass(frozen=True)
class NewPod:
    """A pod that was created while its node ran short of something."""

    started_s: float | None
    """Seconds from its creation until it ran; None if it did not run while the shortage lasted."""
    warnings: tuple[str, ...]
    """Warnings about it until then, as `reason: message`."""
    after_s: float | None
    """Seconds from the heal until it ran; None if it did not run, 0 if it already did."""


def problems_of(seen: NewPod, *, may_start: bool, warns: bool = True) -> list[str]:
    """What is wrong with it.

    Args:
        may_start: Whether what is left is enough for a pod. If not, it must not start.
        warns: Whether the edge runtime sends events about pods that do not start.
    """
    found: list[str] = []
    if may_start and seen.started_s is None:
        found.append("it did not start, although enough is left")
    if not may_start and seen.started_s is not None:
        found.append(f"it started after {seen.started_s:.1f} s in spite of the shortage")
    if seen.started_s is None and warns and not seen.warnings:
        found.append("no event shows that it does not start")
    if seen.after_s is None:
        found.append("it did not start after the heal")
    return found


def created_under(
    lab: Lab,
    shortage: contextlib.AbstractContextManager[object],
    pod: Pod,
    *,
    under_s: float,
    after_s: float,
    time_limit: TimeLimit,
) -> NewPod:
    """Creates the pod during the shortage and waits for up to `under_s` seconds until it runs; then
    ends the shortage, and waits for up to `after_s` seconds."""
    name = pod["metadata"]["name"]
    with contextlib.ExitStack() as created:
        with shortage:
            created.enter_context(present(lab, [pod], time_limit))
            started = seconds_until(lab, name, under_s, time_limit)
            warnings = warnings_of(lab, name, time_limit)
        after: float | None = 0.0
        if started is None:
            after = seconds_until(lab, name, after_s, time_limit)
    return NewPod(started, warnings, after)


def usual_start(lab: Lab, pod: Pod, seconds: float, time_limit: TimeLimit) -> float | None:
    """Seconds until the pod runs on the node as it is; None if it does not in time."""
    with present(lab, [pod], time_limit):
        return seconds_until(lab, pod["metadata"]["name"], seconds, time_limit)


def seconds_until(lab: Lab, pod: str, seconds: float, time_limit: TimeLimit) -> float | None:
    """Seconds from now until its containers run; None if they do not in time."""
    began = time.monotonic()
    if seen_in_time(Deadline.after(seconds), lambda: is_running(status_of(lab, pod, time_limit))):
        return time.monotonic() - began
    return None


def warnings_of(lab: Lab, pod: str, time_limit: TimeLimit) -> tuple[str, ...]:
    """Events about this pod, but not those about an earlier one of its name."""
    found = lab.kubectl.find("pod", pod, "-n", NAMESPACE, deadline=time_limit(60))
    if found is None:
        return ()
    return tuple(events_of_uid(lab, found["metadata"]["uid"], time_limit(60), "type=Warning"))
