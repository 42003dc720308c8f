"""The objects of the suite: server pods, client pods, and Services.

On each node there is a pod that listens in the pod network, one that listens on the node's own
address, and a client. All are bound to their nodes by name and tolerate everything forever, so that
only the stack affects them and their addresses.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edge_lab.addons.workload import NAMESPACE
from edge_lab.addons.workload.manifests import IMAGE

LABEL = "edge-lab-services"
BACKEND = "edge-lab.local/backend"
"""Label of the backends of a Service."""
PORT = 80
POD_PORT, NODE_PORT = 8080, 18080
"""Ports of the backends: in the pod network, and on a node's own address."""

IDLE = ["/bin/sh", "-c", "while :; do sleep 5; done"]
TEMPORARY = "edge-lab-temporary"
"""Label `app` of pods that one test creates and removes."""
WITHOUT_ENDPOINTS = "without-endpoints"
"""A Service without endpoints."""


def client_pod(node: str) -> str:
    """The name of the client pod on a node."""
    return f"service-client-{node}"


def pod_backend(node: str) -> str:
    """The name of the pod on a node that listens in the pod network, and of its Service."""
    return f"pod-of-{node}"


def node_backend(node: str) -> str:
    """The name of the pod on a node that listens on the node's address, and of its Service."""
    return f"host-of-{node}"


def pods(nodes: Sequence[str]) -> list[dict[str, Any]]:
    """The three pods of each node."""
    found = []
    for node in nodes:
        found += [
            listener(pod_backend(node), node, POD_PORT),
            listener(node_backend(node), node, NODE_PORT, host=True),
            _pod(client_pod(node), node, {"app": LABEL}, IDLE),
        ]
    return found


def services(nodes: Sequence[str]) -> list[dict[str, Any]]:
    """A Service for each server pod, and one without endpoints."""
    found = [service(WITHOUT_ENDPOINTS, WITHOUT_ENDPOINTS, POD_PORT)]
    for node in nodes:
        found.append(service(pod_backend(node), pod_backend(node), POD_PORT))
        found.append(service(node_backend(node), node_backend(node), NODE_PORT))
    return found


def listener(
    name: str, node: str, port: int, *, host: bool = False, app: str = LABEL
) -> dict[str, Any]:
    """A pod that accepts connections at `port`, labelled as its own backend."""
    # The lab's collector, used only as a listener.
    command = ["/edge", "collect", "--folder", "/tmp", f"--listen=:{port}"]
    manifest = _pod(name, node, {"app": app, BACKEND: name}, command, host=host)
    container = manifest["spec"]["containers"][0]
    container["readinessProbe"] = {"tcpSocket": {"port": port}, "periodSeconds": 5}
    container["volumeMounts"] = [{"name": "tmp", "mountPath": "/tmp"}]
    manifest["spec"]["volumes"] = [{"name": "tmp", "emptyDir": {}}]
    return manifest


def service(name: str, backend: str, port: int) -> dict[str, Any]:
    """A Service at `PORT` for the pods labelled `backend`, which listen at `port`."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"app": LABEL}},
        "spec": {"selector": {BACKEND: backend}, "ports": [{"port": PORT, "targetPort": port}]},
    }


def _pod(
    name: str, node: str, labels: dict[str, str], command: list[str], *, host: bool = False
) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "labels": labels,
        },
        "spec": {
            "nodeName": node,
            "hostNetwork": host,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 1,
            "tolerations": [{"operator": "Exists"}],
            "containers": [
                {
                    "name": "main",
                    "image": IMAGE,
                    "imagePullPolicy": "Never",
                    "command": command,
                    "resources": {"limits": {"memory": "64Mi"}},
                }
            ],
        },
    }
