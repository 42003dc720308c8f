"""The RBAC objects of the controller manager. KubeEdge's chart also lets it write NodeGroups,
EdgeApplications and their objects, label nodes and delete pods, which the lab does not use."""

from __future__ import annotations

from edge_lab.addons.nodejobs.identities import CLIENT
from edge_lab.addons.nodejobs.names import APPS_GROUP, APPS_KINDS, GROUP, NODE_JOB_KINDS
from edge_lab.cluster.objects import Manifest
from edge_lab.cluster.rbac import Rule, binding_manifest, role_manifest

LOOK = ("get", "list", "watch")
CHANGE = ("patch", "update")


def _rule(group: str, resources: tuple[str, ...], verbs: tuple[str, ...]) -> Rule:
    return {"apiGroups": [group], "resources": list(resources), "verbs": list(verbs)}


RULES: tuple[Rule, ...] = (
    # It indexes pods by node before it starts.
    _rule("", ("nodes", "pods"), LOOK),
    _rule(APPS_GROUP, APPS_KINDS, LOOK),
    _rule(GROUP, NODE_JOB_KINDS, (*LOOK, *CHANGE)),
    _rule(GROUP, tuple(f"{kind}/status" for kind in NODE_JOB_KINDS), CHANGE),
)


def rights() -> tuple[Manifest, Manifest]:
    return (
        role_manifest(CLIENT.user, RULES),
        binding_manifest(CLIENT.user, CLIENT.user, [CLIENT.user], subject_kind="User"),
    )
