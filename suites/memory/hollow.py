"""Nodes and pods that exist only as objects, to load a control plane.

A hollow node has a lease, which is renewed like a kubelet's, and pods that are bound to it by name.
No container runs. A pod has an annotation of the length of a kubelet's status.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import EdgeLabError, LabError
from edge_lab.core.yamltext import yaml_text

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

log = logging.getLogger(__name__)

LABEL = "edge-lab-hollow"
NAMESPACE = "edge-lab-hollow"
LEASES = "kube-node-lease"
STATUS_BYTES = 2000
RENEWALS = 4
"""Renewals of a lease within its duration."""
REQUEST_SECONDS = 20.0
CREATE_SECONDS = 300.0
REMOVE_SECONDS = 600.0


def node_name(number: int) -> str:
    return f"hollow-{number:04}"


def hollow_node(number: int) -> dict[str, Any]:
    """A node with the status Ready."""
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    resources = {"cpu": "4", "memory": "2Gi", "pods": "110"}
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "hollow"}
    times = {"lastHeartbeatTime": now, "lastTransitionTime": now}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": node_name(number), "labels": {LABEL: "true"}},
        "spec": {"taints": [{"key": LABEL, "effect": "NoSchedule"}]},
        "status": {
            "capacity": resources,
            "allocatable": dict(resources),
            "conditions": [{**ready, **times}],
            "nodeInfo": dict.fromkeys(
                (
                    *("architecture", "bootID", "containerRuntimeVersion", "kernelVersion"),
                    *("kubeProxyVersion", "kubeletVersion", "machineID", "operatingSystem"),
                    *("osImage", "systemUUID"),
                ),
                "hollow",
            ),
        },
    }


def hollow_pod(node: int, number: int) -> dict[str, Any]:
    """A pod that is bound to a hollow node, and waits there forever."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{node_name(node)}-{number:03}",
            "namespace": NAMESPACE,
            "labels": {LABEL: "true"},
            "annotations": {LABEL: "s" * STATUS_BYTES},
        },
        "spec": {
            "nodeName": node_name(node),
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 0,
            "tolerations": [{"operator": "Exists"}],
            "containers": [{"name": "main", "image": "hollow", "imagePullPolicy": "Never"}],
        },
    }


def lease(number: int, seconds: float) -> dict[str, Any]:
    """The lease of a hollow node, renewed now."""
    now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": node_name(number), "namespace": LEASES, "labels": {LABEL: "true"}},
        "spec": {
            "holderIdentity": node_name(number),
            "leaseDurationSeconds": round(seconds),
            "renewTime": now,
        },
    }


class HollowNodes:
    """Hollow nodes of a lab; `present` removes them all."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._duration = lab.topology.timing.node_lease
        self._ended = threading.Event()
        self.count = 0

    def add(self, nodes: int, pods_each: int) -> None:
        """Adds so many nodes, each with its pods.

        Raises:
            LabError: the API server refuses them.
        """
        limit = Deadline.scaled(CREATE_SECONDS)
        numbers = range(self.count, self.count + nodes)
        objects = [hollow_node(number) for number in numbers]
        objects += [lease(number, self._duration) for number in numbers]
        self._create(objects, limit)
        self.count += nodes  # creating pods takes a while, and leases expire
        pods = [hollow_pod(node, number) for node in numbers for number in range(pods_each)]
        self._create(pods, limit)

    def _create(self, objects: Sequence[dict[str, Any]], limit: Deadline) -> None:
        self._lab.kubectl.run(
            *("create", "-f", "-"), deadline=limit, input=yaml_text(*objects), waits=True
        )

    def renew(self) -> None:
        """Renews all leases when they are due; ends with `present`."""
        while not self._ended.is_set():
            count = self.count
            for number in range(count):
                if self._ended.is_set():
                    return
                with contextlib.suppress(EdgeLabError):  # an API server that is too slow is noticed
                    self._lab.kubectl.apply(
                        lease(number, self._duration), Deadline.scaled(REQUEST_SECONDS)
                    )
                self._ended.wait(self._duration / RENEWALS / max(1, count))
            if not count:
                self._ended.wait(self._duration / RENEWALS)

    def end(self) -> None:
        self._ended.set()


@contextlib.contextmanager
def present(lab: Lab) -> Iterator[HollowNodes]:
    """Hollow nodes may be added while the block runs; at the end all are removed, unless the
    control plane has failed. The lab must then be treated as unhealthy."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    lab.kubectl.apply(namespace, Deadline.scaled(REQUEST_SECONDS))
    hollow = HollowNodes(lab)
    renewing = threading.Thread(target=hollow.renew, name="leases", daemon=True)
    renewing.start()
    try:
        yield hollow
    finally:
        hollow.end()
        renewing.join(Deadline.scaled(REQUEST_SECONDS).remaining)
        try:
            _remove(lab)
        except LabError as trouble:  # it may be too overloaded to remove the objects
            log.warning("hollow nodes are left: %s", trouble.message)


def _remove(lab: Lab) -> None:
    limit = Deadline.scaled(REMOVE_SECONDS)
    delete = ("delete", "--ignore-not-found", "--wait=false", "-l", LABEL)
    lab.kubectl.run(*delete, "node", deadline=limit, waits=True)
    lab.kubectl.run(*delete, "lease", "-n", LEASES, deadline=limit, waits=True)
    lab.kubectl.run(
        *(*delete, "pod", "-n", NAMESPACE, "--force", "--grace-period=0"),
        deadline=limit,
        waits=True,
    )
    lab.kubectl.run(
        *("delete", "namespace", NAMESPACE, "--ignore-not-found"), deadline=limit, waits=True
    )
