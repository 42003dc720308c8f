"""The RBAC objects of the controllers: Flux' own roles, in one namespace. The repository's content
is applied with the rights of a service account, not with the controller's."""

from __future__ import annotations

from edge_lab.addons.gitops.identities import controller_spec
from edge_lab.addons.gitops.names import (
    APPLIER,
    KUSTOMIZE_CONTROLLER,
    NAMESPACE,
    SOURCE_CONTROLLER,
)
from edge_lab.cluster.objects import Manifest
from edge_lab.cluster.rbac import Rule, binding_manifest, role_manifest, rule

SOURCES = "source.toolkit.fluxcd.io"
KUSTOMIZE = "kustomize.toolkit.fluxcd.io"
LOOK = ("get", "list", "watch")
CHANGE = (*LOOK, "create", "patch", "update", "delete")

_OWN_SOURCES = (
    *("buckets", "externalartifacts", "gitrepositories"),
    *("helmcharts", "helmrepositories", "ocirepositories"),
)


def _of(kinds: tuple[str, ...], *parts: str) -> tuple[str, ...]:
    return tuple(f"{kind}{part}" for kind in kinds for part in ("", *parts))


_EVENTS = rule("", ("events",), ("create", "patch"))

RULES: dict[str, tuple[Rule, ...]] = {
    SOURCE_CONTROLLER: (
        _EVENTS,
        rule("", ("secrets", "serviceaccounts"), LOOK),
        rule(SOURCES, _of(_OWN_SOURCES, "/status", "/finalizers"), CHANGE),
    ),
    KUSTOMIZE_CONTROLLER: (
        _EVENTS,
        rule("", ("configmaps", "secrets", "serviceaccounts"), LOOK),
        rule(SOURCES, _of(_OWN_SOURCES, "/status"), LOOK),
        rule(KUSTOMIZE, _of(("kustomizations",), "/status", "/finalizers"), CHANGE),
        rule("", ("serviceaccounts",), ("impersonate",), APPLIER),
    ),
}
"""In the namespace."""

APPLIER_RULES: tuple[Rule, ...] = (
    rule("apps", ("daemonsets", "deployments"), CHANGE),
    rule("apps", ("replicasets",), LOOK),
    rule("", ("configmaps",), CHANGE),
    rule("", ("pods",), LOOK),
)
"""The resources that the repository may contain, without Secrets."""


def rights() -> tuple[Manifest, ...]:
    """The namespace, the service account, roles and bindings."""
    found: list[Manifest] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": APPLIER, "namespace": NAMESPACE},
            "automountServiceAccountToken": False,
        },
    ]
    users = {name: controller_spec(name).common_name for name in RULES}
    users[APPLIER] = f"system:serviceaccount:{NAMESPACE}:{APPLIER}"
    for name, rules in {**RULES, APPLIER: APPLIER_RULES}.items():
        found += [
            role_manifest(name, rules, namespace=NAMESPACE),
            binding_manifest(name, name, [users[name]], subject_kind="User", namespace=NAMESPACE),
        ]
    return tuple(found)
