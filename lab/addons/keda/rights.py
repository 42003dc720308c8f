"""The RBAC objects of the operator. KEDA's own ClusterRole lets it read every object of the cluster
and change every scale; here its rights are those in the namespaces that it watches."""

from __future__ import annotations

from edge_lab.addons.functions.names import NAMESPACE as FUNCTIONS_NAMESPACE
from edge_lab.addons.keda.identities import CLIENT
from edge_lab.addons.keda.names import GROUP, NAMESPACE, OPERATOR, SCALED_OBJECTS
from edge_lab.addons.keda.operator import CLUSTER_WIDE, NAMESPACED
from edge_lab.cluster.objects import Manifest
from edge_lab.cluster.rbac import Rule, binding_manifest, role_manifest, rule

LOOK = ("get", "list", "watch")
CHANGE = ("patch", "update")


CLUSTER_RULES: tuple[Rule, ...] = tuple(
    rule(group, kinds, LOOK) for group, kinds in CLUSTER_WIDE.items()
)
"""In the whole cluster: kinds without a namespace."""

FUNCTION_RULES: tuple[Rule, ...] = (
    *(rule(group, kinds, LOOK) for group, kinds in NAMESPACED.items()),
    rule(GROUP, (SCALED_OBJECTS, f"{SCALED_OBJECTS}/status"), CHANGE),
    rule(GROUP, (f"{SCALED_OBJECTS}/finalizers",), ("update",)),
    rule("apps", ("deployments",), LOOK),
    rule("apps", ("deployments/scale",), ("get", *CHANGE)),
    rule("autoscaling", ("horizontalpodautoscalers",), (*LOOK, "create", "delete", *CHANGE)),
    # Of the controller for ScaledJobs, which cannot be switched off.
    rule("batch", ("jobs",), LOOK),
    rule("", ("events",), ("create", "patch")),
    rule("events.k8s.io", ("events",), ("create", "patch")),
)
"""In the namespace of functions."""

SECRET_RULES: tuple[Rule, ...] = (rule("", ("secrets",), ("list", "watch")),)
"""In the operator's own namespace: it does not start without them."""


def rights() -> tuple[Manifest, ...]:
    """The operator's namespace, its roles and their bindings. The namespace of functions exists."""
    return (
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        *_granted(CLUSTER_RULES),
        *_granted(FUNCTION_RULES, FUNCTIONS_NAMESPACE),
        *_granted(SECRET_RULES, NAMESPACE),
    )


def _granted(rules: tuple[Rule, ...], namespace: str = "") -> tuple[Manifest, Manifest]:
    return (
        role_manifest(OPERATOR, rules, namespace=namespace),
        binding_manifest(
            OPERATOR, OPERATOR, [CLIENT.user], subject_kind="User", namespace=namespace
        ),
    )
