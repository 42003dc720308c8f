"""Pods beside the lab's workload, with different tolerations of an unreachable node."""

from __future__ import annotations

from typing import Any

from edge_lab.addons.workload import NAMESPACE
from edge_lab.addons.workload.manifests import IMAGE

LABEL = "edge-lab-bystander"

TOLERANT, INTOLERANT, DELETED = "tolerant", "intolerant", "deleted"
"""Tolerates everything forever; has no tolerations, so it is evicted; is deleted by the cloud."""


def pod_name(kind: str, node: str) -> str:
    """The name of the bystander of that kind on a node."""
    return f"{kind}-{node}"


def bystander(kind: str, node: str) -> dict[str, Any]:
    """The pod, bound to its node by name, so that only the stack affects it."""
    tolerations = [{"operator": "Exists"}] if kind != INTOLERANT else []
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": pod_name(kind, node),
            "namespace": NAMESPACE,
            "labels": {"app": LABEL, "app-offline.kubeedge.io": "autonomy"},
        },
        "spec": {
            "nodeName": node,
            # It needs no network, and a pod network would need three more programs.
            "hostNetwork": True,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 1,
            "tolerations": tolerations,
            "containers": [
                {
                    "name": "bystander",
                    "image": IMAGE,
                    "imagePullPolicy": "Never",
                    "command": ["/bin/sh", "-c", "while :; do sleep 5; done"],
                    # On a node that sandboxes all pods, the limit includes the sandbox.
                    "resources": {"requests": {"memory": "16Mi"}, "limits": {"memory": "128Mi"}},
                }
            ],
        },
    }
