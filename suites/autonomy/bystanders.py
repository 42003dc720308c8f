"""Pods beside the lab's workload, each with another wish about a node that is away."""

from __future__ import annotations

from typing import Any

from edge_lab.addons.workload import NAMESPACE
from edge_lab.addons.workload.manifests import IMAGE

LABEL = "edge-lab-bystander"

PATIENT, IMPATIENT, DOOMED = "patient", "impatient", "doomed"
"""Tolerates everything for ever; says nothing, so that it is evicted; is deleted by the cloud."""


def pod_name(kind: str, node: str) -> str:
    """The name of the bystander of that kind on a node."""
    return f"{kind}-{node}"


def bystander(kind: str, node: str) -> dict[str, Any]:
    """The pod, bound to its node by name: what happens to it is the stack's doing alone."""
    tolerations = [{"operator": "Exists"}] if kind != IMPATIENT else []
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
            # It says nothing to anybody, and a network of its own is three more programs to run.
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
                    # On a node that sandboxes all pods, the sandbox lives within the limit.
                    "resources": {"requests": {"memory": "16Mi"}, "limits": {"memory": "128Mi"}},
                }
            ],
        },
    }
