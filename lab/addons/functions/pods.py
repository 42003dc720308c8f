"""Functions in pods: one that always runs, and a static pod that the activator creates.

They use the host network, since the broker listens only on loopback, and have no token and no
capabilities.
"""

from __future__ import annotations

import json
from typing import Any

from edge_lab.addons.functions.names import IMAGE, NAMESPACE
from edge_lab.addons.functions.parts import function_arguments
from edge_lab.addons.functions.place import Place
from edge_lab.addons.functions.ways import STATIC_POD, WARM, Way
from edge_lab.cluster.objects import Manifest
from edge_lab.provisioning.provision import GuestFile, Provision

ACTIVATION = "edge-lab/activation"
"""Annotation that differs each time, since the kubelet identifies static pods by content."""


def warm_pod(node: str) -> str:
    """The name of the pod of a node's warm function."""
    return f"function-{node}"


def namespace_manifest() -> Manifest:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}


def warm_manifest(place: Place) -> Manifest:
    """The warm function's pod."""
    return _pod(WARM, warm_pod(place.node), bound_spec(place, WARM))


def static_manifest(place: Place) -> Manifest:
    """The activator's template, which replaces `{activation}` with a new number each time. The
    kubelet adds the node's name to the pod's."""
    pod = _pod(STATIC_POD, "function-woken", _spec(place, STATIC_POD))
    pod["metadata"]["annotations"] = {ACTIVATION: "{activation}"}
    return pod


def static_pod_provision(place: Place) -> Provision:
    text = json.dumps(static_manifest(place), indent=2) + "\n"
    return Provision(files=(GuestFile.text(place.config("pod"), text),))


def pod_labels(way: Way) -> dict[str, str]:
    """The labels of a function's pod."""
    return {
        "app": "function",
        "app.kubernetes.io/part-of": "edge-lab",
        "way": way.name,
        # For KubeEdge's admission webhook, if there is one.
        "app-offline.kubeedge.io": "autonomy",
    }


def bound_spec(place: Place, way: Way) -> dict[str, Any]:
    """The spec of a function's pod that comes from the API server, bound to its node and protected
    from eviction."""
    return _spec(place, way) | {
        "nodeName": place.node,
        "automountServiceAccountToken": False,
        "tolerations": [{"operator": "Exists"}],
        # Like static pods: otherwise a full disk would evict it, and a warm one has no controller.
        "priorityClassName": "system-node-critical",
    }


def _pod(way: Way, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": pod_labels(way)},
        "spec": spec,
    }


def _spec(place: Place, way: Way) -> dict[str, Any]:
    folder = place.records_folder
    return {
        "hostNetwork": True,
        "restartPolicy": "Always",
        "enableServiceLinks": False,
        "dnsPolicy": "Default",
        "terminationGracePeriodSeconds": 5,
        "containers": [
            {
                "name": "function",
                "image": IMAGE,
                "imagePullPolicy": "Never",
                "args": list(function_arguments(place, way)),
                "resources": {"requests": {"memory": "16Mi"}, "limits": {"memory": "64Mi"}},
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                },
                "volumeMounts": [{"name": "records", "mountPath": folder}],
            }
        ],
        "volumes": [
            {
                "name": "records",
                "hostPath": {"path": folder, "type": "DirectoryOrCreate"},
            }
        ],
    }
