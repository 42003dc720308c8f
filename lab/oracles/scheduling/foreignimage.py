"""Whether a pod whose image has nothing for its node's architecture fails as it should.

It must not start, must not be restarted again and again, and an event must name the image; where
nodes send no events, its status.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from edge_lab.core.errors import LabError
from edge_lab.oracles.scheduling.preemption import PodEvent
from edge_lab.oracles.verdict import Judged

REFUSALS = frozenset(
    {
        *("ErrImageNeverPull", "Failed", "InspectFailed"),
        *("ErrImagePull", "ImageInspectError", "ImagePullBackOff"),
    }
)
"""Reasons by which a kubelet refuses an image, of events (pkg/kubelet/events/event.go in Kubernetes
1.34, where that of a failed pull is `Failed`), and of containers that wait (images/types.go)."""


@dataclass(frozen=True)
class ForeignImage(Judged):
    """The verdict on one pod."""

    waiting: str
    """The last reason for which its container waits; empty for none."""
    restarts: int
    named_by: tuple[str, ...]
    """Messages that name the image, as `reason: message`."""
    problems: tuple[str, ...]

    @property
    def head(self) -> str:
        waits = f"waits because of {self.waiting or 'nothing'}, {self.restarts} restarts"
        return self.separator.join((waits, *self.named_by))


def refused(messages: Iterable[str], image: str) -> tuple[str, ...]:
    """Those of the messages, as `reason: message`, by which a kubelet refuses `image`."""
    return tuple(
        message
        for message in messages
        if message.partition(":")[0] in REFUSALS and image in message
    )


def waiting_messages(pod: Mapping[str, Any]) -> tuple[str, ...]:
    """Why the containers of a pod wait, as `reason: message`, by its status."""
    states = [
        status.get("state", {}).get("waiting", {})
        for status in pod.get("status", {}).get("containerStatuses") or ()
    ]
    return tuple(f"{state['reason']}: {state.get('message', '')}" for state in states if state)


def judge_foreign_image(
    seen: Iterable[PodEvent], messages: Iterable[str], image: str
) -> ForeignImage:
    """The verdict on a pod with `image`.

    Args:
        seen: What a watch saw of it.
        messages: The pod's events, or, where nodes send none, those of its status; as
            `reason: message`.

    Raises:
        LabError: the kubelet was not seen to deal with it, so nothing is known.
    """
    statuses = [status for event in seen if (status := _status(event.pod)) is not None]
    if not statuses:
        raise LabError("no evidence: the kubelet has reported nothing of the pod")
    named = refused(messages, image)
    restarts = max(int(status.get("restartCount", 0)) for status in statuses)
    problems = []
    if any(_started(status) for status in statuses):
        problems.append("its container was started")
    if restarts:
        problems.append(f"its container was restarted {restarts} times")
    if not named:
        problems.append(f"no message refuses {image}")
    waiting = statuses[-1].get("state", {}).get("waiting", {}).get("reason", "")
    return ForeignImage(waiting, restarts, named, tuple(problems))


def _status(pod: Any) -> dict[str, Any] | None:
    found: list[dict[str, Any]] = pod.get("status", {}).get("containerStatuses") or []
    return found[0] if found else None


def _started(status: dict[str, Any]) -> bool:
    """Whether it runs, or has ended in any way, also by not being executable."""
    past = (status.get("state", {}), status.get("lastState", {}))
    return any("running" in state or "terminated" in state for state in past)
