"""The RBAC objects of yurt-manager: what it watches with its own certificate, and what its
controllers write with the tokens of their service accounts. OpenYurt's chart grants more, for the
controllers that do not run here."""

from __future__ import annotations

from collections.abc import Iterable

from edge_lab.addons.pools.identities import CLIENT
from edge_lab.addons.pools.names import (
    ACCOUNTS,
    GROUP,
    MANAGER_NAMESPACE,
    NAMESPACE,
    NODE_BUCKETS,
    NODE_POOLS,
    YURT_APP_SETS,
    YURT_MANAGER,
)
from edge_lab.cluster.objects import Manifest
from edge_lab.cluster.rbac import NODES_GROUP, Rule, binding_manifest, role_manifest, rule

HUB_ROLE = "edge-lab:node-buckets"
LOOK = ("list", "watch")
CHANGE = ("get", "patch", "update")
WEBHOOKS = ("mutatingwebhookconfigurations", "validatingwebhookconfigurations")
WEBHOOK_KINDS = {
    "MutatingWebhookConfiguration": f"{YURT_MANAGER}-mutating-webhook-configuration",
    "ValidatingWebhookConfiguration": f"{YURT_MANAGER}-validating-webhook-configuration",
}
"""The names that it looks for, by kind."""


def _with_status(resource: str) -> tuple[str, str]:
    return resource, f"{resource}/status"


MANAGER_RULES: tuple[Rule, ...] = (
    rule("", ("nodes",), LOOK),
    rule("", ("events",), ("create", "patch")),
    rule("apps", ("controllerrevisions", "deployments"), LOOK),
    rule(GROUP, (NODE_BUCKETS, NODE_POOLS, YURT_APP_SETS), LOOK),
    rule("apiextensions.k8s.io", ("customresourcedefinitions",), LOOK),
    rule("admissionregistration.k8s.io", WEBHOOKS, LOOK),
    rule("admissionregistration.k8s.io", WEBHOOKS, ("get",), *WEBHOOK_KINDS.values()),
)
"""In the whole cluster: its caches are not limited to namespaces."""

TOKEN_RULES: tuple[Rule, ...] = (
    rule("", ("serviceaccounts",), ("get",), *ACCOUNTS.values()),
    rule("", ("serviceaccounts/token",), ("create",), *ACCOUNTS.values()),
)
"""In the namespace of the accounts."""

NODE_POOL_RULES: tuple[Rule, ...] = (
    rule("", ("nodes",), CHANGE),
    rule(GROUP, _with_status(NODE_POOLS), CHANGE),
)
"""In the whole cluster, where nodes and pools are."""

NODE_BUCKET_RULES: tuple[Rule, ...] = (rule(GROUP, (NODE_BUCKETS,), ("create", "delete", *CHANGE)),)

HUB_RULES: tuple[Rule, ...] = (rule(GROUP, (NODE_BUCKETS,), LOOK),)
"""Of yurthub, with the certificate of its node: the nodes of its pool are in NodeBuckets."""

APP_SET_RULES: tuple[Rule, ...] = (
    rule(GROUP, _with_status(YURT_APP_SETS), CHANGE),
    rule("apps", ("controllerrevisions", "deployments"), ("create", "delete", *CHANGE)),
)
"""In the namespace of the workload alone."""


def rights() -> tuple[Manifest, ...]:
    """The namespace, service accounts, roles and bindings, and the empty webhook configurations."""
    return (
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        *map(_account, ACCOUNTS.values()),
        *_granted(YURT_MANAGER, CLIENT.user, MANAGER_RULES),
        *_granted(YURT_MANAGER, CLIENT.user, TOKEN_RULES, MANAGER_NAMESPACE),
        *_granted_to_account("nodepool", NODE_POOL_RULES),
        *_granted_to_account("nodebucket", NODE_BUCKET_RULES),
        *_granted_to_account("yurtappset", APP_SET_RULES, NAMESPACE),
        role_manifest(HUB_ROLE, HUB_RULES),
        binding_manifest(HUB_ROLE, HUB_ROLE, [NODES_GROUP]),
        *(_no_webhooks(kind, name) for kind, name in WEBHOOK_KINDS.items()),
    )


def _account(name: str) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": name, "namespace": MANAGER_NAMESPACE},
        "automountServiceAccountToken": False,
    }


def _granted(
    name: str, user: str, rules: Iterable[Rule], namespace: str = ""
) -> tuple[Manifest, Manifest]:
    return (
        role_manifest(name, rules, namespace=namespace),
        binding_manifest(name, name, [user], subject_kind="User", namespace=namespace),
    )


def _granted_to_account(
    controller: str, rules: Iterable[Rule], namespace: str = ""
) -> tuple[Manifest, Manifest]:
    account = ACCOUNTS[controller]
    user = f"system:serviceaccount:{MANAGER_NAMESPACE}:{account}"
    return _granted(account, user, rules, namespace)


def _no_webhooks(kind: str, name: str) -> Manifest:
    """yurt-manager needs the object, writes its webhooks from a template in an annotation, and
    leaves it as it is if there are none."""
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": name, "annotations": {f"{YURT_MANAGER}-template": "[]"}},
    }
