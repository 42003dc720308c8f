"""The objects of hollow nodes: nodes whose kubelet is kwok, their pods, and their twins."""

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
"""kwok's identity. In the group of nodes, so that its requests are queued and audited like those of
nodes; not named like a node, so that it may act for all of them."""

ZONE = "edge-lab-fleet"
"""The zone of all hollow nodes, since eviction rates are per zone. So their silence does not affect
the zone of the real nodes."""


def hollow_name(index: int) -> str:
    return f"hollow-{index:05}"


def hollow_index(name: str) -> int | None:
    """None if the name is not that of a hollow node."""
    _, dash, number = name.rpartition("hollow-")
    return int(number) if dash and number.isdecimal() else None


def node_manifest(name: str) -> Manifest:
    """A hollow node. Only pods that tolerate its taint are scheduled to it."""
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
    """A pod on a hollow node that is evicted like any other: it has the default tolerations."""
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
    """The status of a device's twin on a hollow node, which kwok reports periodically."""
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
    """kwok's RBAC objects: the rights of the kubelets and mappers that it simulates."""
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
