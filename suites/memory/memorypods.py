"""Pods that use up memory, and pods that must not be affected by that.

They run the image's busybox: awk keeps the strings that it creates, and creates one of some MiB
quickly even on an emulated node.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from edge_lab.addons.workload import NAMESPACE
from edge_lab.addons.workload.manifests import IMAGE
from edge_lab.cluster.kubectl import KubectlError
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.outcomes import eventually
from suites.pods import POD_SECONDS, bound_pod

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

LABEL = "edge-lab-memory"
GUARDED = "edge-lab-memory-guarded"
IDLE = "while :; do sleep 5; done"
ONCE = "/once"
PROCESS = "awk"
"""The name of the process that holds the memory."""

GUARANTEED = {"cpu": "200m", "memory": "48Mi"}
"""Enough for an emulated node to start a container within it."""


def key(pod: str) -> str:
    """The name of a pod of the suite in oracles."""
    return f"{NAMESPACE}/{pod}"


def holds(mib: int) -> str:
    """A shell program that allocates so much and keeps it."""
    return _awk(f'while (n < {mib}) {_KEEP % 1}; while (1) system("sleep 5")')


def grows(mib_per_s: int) -> str:
    """A shell program that keeps allocating, at most so much per second."""
    return _awk(f'while (1) {{ {_KEEP % mib_per_s}; system("sleep 1") }}')


_KEEP = 'kept[n++] = sprintf("%%" (%d * 1048576) "s", "")'
"""Creates a string of so many MiB and keeps it."""


LEAKER_LIMIT_MIB = 640


def leaks(kib_per_s: int) -> str:
    """A shell program that allocates so much per second, in small steps."""
    some = f"dd if=/dev/zero bs={kib_per_s}k count=1 2>/dev/null"
    return f"while :; do {some}; sleep 1; done | tail >/dev/null"


def _awk(program: str) -> str:
    return f"{PROCESS} 'BEGIN {{ {program} }}'"


def once(program: str) -> str:
    """The program runs in a pod's first container only; a restarted one idles."""
    return f"if [ -e {ONCE}/ran ]; then {IDLE}; fi; touch {ONCE}/ran; {program}"


def memory_pod(
    name: str,
    node: str,
    program: str,
    *,
    requests: dict[str, str] | None = None,
    limits: dict[str, str] | None = None,
    priority: str = "",
    restart: str = "Always",
    label: str = LABEL,
) -> dict[str, Any]:
    """A pod that is bound to a node by name. Without requests and limits it is BestEffort."""
    resources = {"requests": requests, "limits": limits}
    container = {
        "image": IMAGE,
        "imagePullPolicy": "Never",
        "command": ["/bin/sh", "-c", program],
        "resources": {kind: said for kind, said in resources.items() if said},
        "volumeMounts": [{"name": "once", "mountPath": ONCE}],
    }
    spec: dict[str, Any] = {
        "restartPolicy": restart,
        "volumes": [{"name": "once", "emptyDir": {}}],
    }
    if priority:
        spec["priorityClassName"] = priority
    return bound_pod(name, node, label, container, **spec)


def guaranteed(node: str) -> str:
    return f"memory-guaranteed-{node}"


def critical(node: str) -> str:
    return f"memory-critical-{node}"


def guarded_pods(node: str) -> list[dict[str, Any]]:
    """The pods that must not be affected: a Guaranteed and a system-node-critical one."""
    return [
        memory_pod(
            guaranteed(node),
            node,
            IDLE,
            requests=GUARANTEED,
            limits=GUARANTEED,
            label=GUARDED,
        ),
        memory_pod(critical(node), node, IDLE, priority="system-node-critical", label=GUARDED),
    ]


@contextlib.contextmanager
def present(lab: Lab, manifests: Sequence[dict[str, Any]], time_limit: TimeLimit) -> Iterator[None]:
    """Creates these pods for the duration of the block, whatever happens to them."""
    names = [manifest["metadata"]["name"] for manifest in manifests]
    lab.kubectl.apply(manifests, time_limit(60))
    try:
        yield
    finally:
        lab.kubectl.delete("pod", *names, "-n", NAMESPACE, deadline=time_limit(240), now=True)


def status_of(lab: Lab, pod: str, time_limit: TimeLimit) -> dict[str, Any]:
    """A pod of the suite; empty if it does not exist."""
    found = lab.kubectl.find("pod", pod, "-n", NAMESPACE, deadline=time_limit(60))
    return {} if found is None else found.get("status", {})


def is_lost(status: dict[str, Any]) -> bool:
    """Whether the pod was evicted, or a container of it was killed."""
    ended = (
        (container.get(state) or {}).get("terminated")
        for container in status.get("containerStatuses", ())
        for state in ("state", "lastState")
    )
    return status.get("phase") == "Failed" or any(ended)


def is_running(status: dict[str, Any]) -> bool:
    """Whether its containers run now."""
    containers = status.get("containerStatuses", ())
    return bool(containers) and all(
        "running" in container.get("state", {}) for container in containers
    )


def until_running(lab: Lab, pod: str, time_limit: TimeLimit) -> None:
    """Waits until the pod's containers run."""
    _until(lab, pod, "runs", is_running, time_limit, POD_SECONDS)


def until_lost(lab: Lab, pod: str, time_limit: TimeLimit, seconds: float) -> None:
    """Waits until the pod is evicted, or one of its containers is killed."""
    _until(lab, pod, "is killed or evicted", is_lost, time_limit, seconds)


def _until(
    lab: Lab,
    pod: str,
    what: str,
    fits: Callable[[dict[str, Any]], bool],
    time_limit: TimeLimit,
    seconds: float,
) -> None:
    eventually(
        f"{pod} {what}",
        lambda: fits(status_of(lab, pod, time_limit)),
        time_limit(seconds),
        transient=(KubectlError,),
    )
