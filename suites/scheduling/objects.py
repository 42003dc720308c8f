"""Pods that are placed, and pods that preempt others."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from edge_lab.addons.workload import NAMESPACE
from edge_lab.addons.workload.manifests import IMAGE
from edge_lab.core.deadline import Deadline
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.observe.scheduling.podwatch import PodWatch
from suites.pods import events_of_uid

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

APP = "edge-lab-placed"
HIGH, LOW, NON_PREEMPTING = "edge-lab-high", "edge-lab-low", "edge-lab-non-preempting"
"""Priority classes; the last one is as high as the first, and preempts no pod."""
SIGTERM_EXIT_CODE = 33
"""Of a pod that handles SIGTERM, when it was sent one."""
GRACE_SECONDS = 30
GONE_SECONDS = 180.0

HANDLES_SIGTERM = [
    *("/bin/sh", "-c"),
    f"trap 'exit {SIGTERM_EXIT_CODE}' TERM; while :; do sleep 1; done",
]
IGNORES_SIGTERM = ["/bin/sh", "-c", "trap '' TERM; while :; do sleep 1; done"]


def pod(name: str, spec: dict[str, Any], *, cpu: str = "", priority: str = "") -> dict[str, Any]:
    """A pod that handles SIGTERM. `spec` has what it asks of a node."""
    container: dict[str, Any] = {
        "name": "main",
        "image": IMAGE,
        "imagePullPolicy": "Never",
        "command": HANDLES_SIGTERM,
    }
    if cpu:
        container["resources"] = {"requests": {"cpu": cpu}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"app": APP}},
        "spec": {
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": GRACE_SECONDS,
            **({"priorityClassName": priority} if priority else {}),
            "containers": [container],
            **spec,
        },
    }


def priority_classes() -> list[dict[str, Any]]:
    """All three."""
    kinds = ((HIGH, 100_000, "PreemptLowerPriority"), (NON_PREEMPTING, 100_000, "Never"))
    return [
        {
            "apiVersion": "scheduling.k8s.io/v1",
            "kind": "PriorityClass",
            "metadata": {"name": name},
            "value": value,
            "preemptionPolicy": policy,
        }
        for name, value, policy in (*kinds, (LOW, 100, "Never"))
    ]


def on(node: str) -> dict[str, Any]:
    """The part of a spec that lets the scheduler choose this node alone."""
    return {"nodeSelector": {"kubernetes.io/hostname": node}}


def events_of(lab: Lab, watch: PodWatch, name: str, deadline: Deadline) -> list[str]:
    """Of the pod that the watch has seen, as `reason: message`."""
    seen = watch.newest(name)
    return [] if seen is None else events_of_uid(lab, seen["metadata"]["uid"], deadline)


@contextlib.contextmanager
def priorities(lab: Lab, time_limit: TimeLimit) -> Iterator[None]:
    """The classes are there while the block runs."""
    try:
        lab.kubectl.apply(priority_classes(), time_limit(60))
        yield
    finally:
        lab.kubectl.delete("priorityclass", HIGH, LOW, NON_PREEMPTING, deadline=time_limit(60))


@contextlib.contextmanager
def placed(lab: Lab, pods: Sequence[dict[str, Any]], time_limit: TimeLimit) -> Iterator[None]:
    """These pods are created, and all of the suite are gone when the block is over."""
    try:
        lab.kubectl.apply(pods, time_limit(60))
        yield
    finally:
        lab.kubectl.delete(
            *("pod", "-l", f"app={APP}", "-n", NAMESPACE),
            deadline=time_limit(GONE_SECONDS),
            now=True,
        )
