"""Hollow nodes as objects: nodes whose kubelet is kwok, their pods, and their twins."""

from __future__ import annotations

from typing import Any

from edge_lab.addons.twins.names import API_VERSION
from edge_lab.cluster.objects import Manifest
from edge_lab.cluster.rbac import binding_manifest, role_manifest

LABEL = "edge-lab/fleet"
VALUE = "hollow"
SELECTOR = f"{LABEL}={VALUE}"
ANNOTATION = "kwok.x-k8s.io/node"
TAINT = "edge-lab/hollow"
NAMESPACE = "edge-lab-fleet"
USER = "edge-lab:hollow-nodes"
"""What kwok is to the API server. In the group of nodes, so that its requests are queued as those
of nodes are, and as little audited; not a node by name, so that it may speak for all of them."""

ZONE = "edge-lab-fleet"
"""Of all hollow nodes, for evictions go by zone. That the whole of theirs is silent then says
nothing of the zone of the real nodes."""


def hollow_name(index: int) -> str:
    return f"hollow-{index:05}"


def hollow_index(name: str) -> int | None:
    """None of a name that is not a hollow node's."""
    _, dash, number = name.rpartition("hollow-")
    return int(number) if dash and number.isdecimal() else None


def node_manifest(name: str) -> Manifest:
    """A hollow node. Nothing is scheduled to it that does not ask for it."""
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {LABEL: VALUE, "topology.kubernetes.io/zone": ZONE},
            "annotations": {ANNOTATION: "fake"},
        },
        "spec": {"taints": [{"key": TAINT, "effect": "NoSchedule"}]},
    }


def pod_manifest(node: str) -> Manifest:
    """A pod on a hollow node that is evicted as any other: it tolerates what the API server's
    defaults say."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"pod-{node}", "namespace": NAMESPACE, "labels": {LABEL: VALUE}},
        "spec": {
            "nodeName": node,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "tolerations": [{"key": TAINT, "operator": "Exists"}],
            "containers": [{"name": "main", "image": "hollow"}],
        },
    }


def twin_manifest(node: str, number: int) -> Manifest:
    """The status of a device's twin on a hollow node, which kwok reports again and again."""
    return {
        "apiVersion": API_VERSION,
        "kind": "DeviceStatus",
        "metadata": {
            "name": f"twin-{node}-{number}",
            "namespace": NAMESPACE,
            "labels": {LABEL: VALUE},
        },
        "spec": {},
    }


def namespace_manifest() -> Manifest:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}


def rights() -> tuple[Manifest, ...]:
    """What kwok may do: as much as the kubelets and mappers that it stands for."""
    rules = (
        _rule("", ["nodes", "pods"], "get", "list", "watch", "patch", "update"),
        _rule("", ["pods"], "delete"),
        _rule("", ["nodes/status", "pods/status"], "patch", "update"),
        _rule("", ["events"], "create", "patch", "update"),
        _rule(
            "coordination.k8s.io",
            ["leases"],
            *("get", "list", "watch", "create", "update", "patch", "delete"),
        ),
        _rule("devices.kubeedge.io", ["devicestatuses"], "get", "list", "watch", "patch"),
        _rule("devices.kubeedge.io", ["devicestatuses/status"], "get", "patch", "update"),
    )
    return (role_manifest(USER, rules), binding_manifest(USER, USER, [USER], subject_kind="User"))


def _rule(group: str, resources: list[str], *verbs: str) -> dict[str, Any]:
    return {"apiGroups": [group], "resources": resources, "verbs": list(verbs)}
