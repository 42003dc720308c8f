"""Roles and their bindings, as objects of the API server."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

RBAC_GROUP = "rbac.authorization.k8s.io"
NODES_GROUP = "system:nodes"
"""The group in the certificates of all nodes."""

Rule = Mapping[str, Any]
"""`apiGroups`, `resources` and `verbs`, as in a PolicyRule."""


def rule(group: str, resources: Iterable[str], verbs: Iterable[str], *names: str) -> Rule:
    """A rule for resources of one API group; with `names`, for these objects alone."""
    found = {"apiGroups": [group], "resources": list(resources), "verbs": list(verbs)}
    return {**found, "resourceNames": list(names)} if names else found


def role_manifest(name: str, rules: Iterable[Rule], *, namespace: str = "") -> dict[str, Any]:
    """A Role in `namespace`, or a ClusterRole if there is none."""
    return {
        "apiVersion": f"{RBAC_GROUP}/v1",
        "kind": _role_kind(namespace),
        "metadata": _metadata(name, namespace),
        "rules": list(rules),
    }


def binding_manifest(
    name: str,
    role: str,
    subjects: Sequence[str],
    *,
    subject_kind: Literal["Group", "User"] = "Group",
    namespace: str = "",
) -> dict[str, Any]:
    """Grants `role` to `subjects`, names of groups or users.

    With `namespace` it is a RoleBinding to a Role in that namespace, otherwise a ClusterRoleBinding
    to a ClusterRole.
    """
    kind = _role_kind(namespace)
    return {
        "apiVersion": f"{RBAC_GROUP}/v1",
        "kind": f"{kind}Binding",
        "metadata": _metadata(name, namespace),
        "roleRef": {"apiGroup": RBAC_GROUP, "kind": kind, "name": role},
        "subjects": [
            {"apiGroup": RBAC_GROUP, "kind": subject_kind, "name": subject} for subject in subjects
        ],
    }


def _role_kind(namespace: str) -> str:
    return "Role" if namespace else "ClusterRole"


def _metadata(name: str, namespace: str) -> dict[str, str]:
    return {"name": name, "namespace": namespace} if namespace else {"name": name}
