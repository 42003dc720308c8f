"""Waits until pods are Ready, or cannot become Ready."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from edge_lab.cluster.kubectl import NOT_YET, Kubectl
from edge_lab.cluster.objects import container_statuses, pod_ready, restart_counts
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError

HOPELESS = frozenset(
    {
        "ErrImageNeverPull",
        "InvalidImageName",
        "ImageInspectError",
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
    }
)
"""Waiting reasons that do not go away: the lab's images exist from the start or never."""

CRASHES = 4
"""Restarts of one container after which waiting for its pod ends."""


class PodTrouble(LabError):
    """A pod is in a state in which waiting is useless."""


def wait_pod_ready(
    kubectl: Kubectl,
    pod: str,
    deadline: Deadline,
    *,
    namespace: str = "default",
    crashes: int = CRASHES,
) -> dict[str, Any]:
    """Waits until the pod is Ready, and returns it.

    Ends early, with the pod's events, in a permanent state: a missing image, a container
    that has crashed `crashes` times since the call, a failed pod.

    Raises:
        PodTrouble: waiting longer is useless.
        DeadlineExceeded: not ready in time.
    """
    seen: dict[str, Any] = {}
    before: dict[str, dict[str, int]] = {}  # restarts when first seen, by uid

    def ready() -> dict[str, Any] | None:
        nonlocal seen
        found = kubectl.find("pod", pod, "-n", namespace, deadline=deadline)
        if found is None:
            return None
        seen = found
        before.setdefault(seen["metadata"]["uid"], restart_counts(seen))
        return seen if pod_ready(seen) else None

    def hopeless() -> None:
        earlier = before[seen["metadata"]["uid"]] if seen else {}
        trouble = pod_trouble(seen, crashes, earlier) if seen else None
        if trouble:
            raise PodTrouble(
                f"pod {namespace}/{pod} cannot become ready: {trouble}"
                + _events_for_message(kubectl, pod, namespace, deadline)
            )

    return deadline.wait_for(
        f"pod {namespace}/{pod} Ready",
        ready,
        every=1.0,
        transient=NOT_YET,
        watch=hopeless,
    )


def wait_pods_ready(
    kubectl: Kubectl, pods: Iterable[str], deadline: Deadline, *, namespace: str = "default"
) -> None:
    """`wait_pod_ready` for each; they share the deadline."""
    for pod in pods:
        wait_pod_ready(kubectl, pod, deadline, namespace=namespace)


def _events_for_message(kubectl: Kubectl, pod: str, namespace: str, deadline: Deadline) -> str:
    try:
        events = kubectl.events(pod, deadline, namespace=namespace)
    except LabError:
        return ""
    return "".join(f"\n  {line}" for line in events[-5:])


def pod_trouble(
    pod: Mapping[str, Any], crashes: int = CRASHES, before: Mapping[str, int] | None = None
) -> str | None:
    """Why the pod cannot become ready; None if it still can.

    Restarts count from `before`, since a reboot of the node also restarts containers.
    """
    status = pod.get("status", {})
    phase = status.get("phase")
    if phase in ("Failed", "Succeeded"):
        details = (f"its phase is {phase}", status.get("reason"), status.get("message"))
        return ": ".join(detail for detail in details if detail)
    for container in container_statuses(pod):
        name = container["name"]
        waiting = container.get("state", {}).get("waiting") or {}
        if waiting.get("reason") in HOPELESS:
            said = f": {waiting['message']}" if waiting.get("message") else ""
            return f"container {name} is waiting: {waiting['reason']}{said}"
        restarts = container.get("restartCount", 0) - (before or {}).get(name, 0)
        if restarts >= crashes and not container.get("ready"):
            last = container.get("lastState", {}).get("terminated") or {}
            code = f" (last exit code {last['exitCode']})" if "exitCode" in last else ""
            return f"container {name} has crashed {restarts} times{code}"
    return None
