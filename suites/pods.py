"""Pods of a suite, beside the lab's workload."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from edge_lab.addons.workload import NAMESPACE
from edge_lab.cluster.kubectl import KubectlError
from edge_lab.cluster.objects import pod_ready
from edge_lab.core.deadline import Deadline
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.outcomes import eventually, preparing

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

POD_SECONDS = 240.0
"""Seconds for a pod whose image is present, on an emulated node; Kubernetes' objective is 5 s."""


def bound_pod(
    name: str, node: str, app: str, container: dict[str, Any], **spec: Any
) -> dict[str, Any]:
    """A pod of one container, `main`, bound to `node` by name; it is never evicted, and has no
    token. `spec` is added to its specification."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"app": app}},
        "spec": {
            "nodeName": node,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 1,
            "tolerations": [{"operator": "Exists"}],
            "containers": [{"name": "main", **container}],
            **spec,
        },
    }


def sends_events(lab: Lab) -> bool:
    """Whether the edge nodes send events to the cloud: edgecore does not by default."""
    return lab.stack.runtime.name != "kubeedge"


def events_of_uid(lab: Lab, uid: str, deadline: Deadline, *more: str) -> list[str]:
    """The events of one pod in the lab's namespace, as `reason: message`; `more` are further field
    selectors.

    By its uid: events of an earlier one of its name are kept for an hour.
    """
    selector = f"--field-selector={','.join((*more, f'involvedObject.uid={uid}'))}"
    found = lab.kubectl.items("events", "-n", NAMESPACE, selector, deadline=deadline)
    return [f"{event.get('reason', '')}: {event.get('message', '')}" for event in found]


@contextlib.contextmanager
def running_pods(
    lab: Lab, manifests: Sequence[dict[str, Any]], app: str, time_limit: TimeLimit
) -> Iterator[None]:
    """Creates these pods in the lab's namespace, all labelled `app`; they are Ready in the
    block."""
    lab.kubectl.apply(manifests, time_limit(60))

    def ready(pod: str) -> bool:
        found = lab.kubectl.find("pod", pod, "-n", NAMESPACE, deadline=time_limit(60))
        return found is not None and pod_ready(found)

    try:
        for pod in (manifest["metadata"]["name"] for manifest in manifests):
            with preparing():
                eventually(
                    f"pod {pod} is Ready",
                    partial(ready, pod),
                    time_limit(POD_SECONDS),
                    transient=(KubectlError,),
                )
        yield
    finally:
        lab.kubectl.delete(
            "pod", "-l", f"app={app}", "-n", NAMESPACE, deadline=time_limit(120), now=True
        )
