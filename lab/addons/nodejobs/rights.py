"""The RBAC objects of the controller manager. KubeEdge's chart also lets it write NodeGroups,
EdgeApplications and their objects, label nodes and delete pods, which the lab does not use."""

from __future__ import annotations

from edge_lab.addons.nodejobs.identities import CLIENT
from edge_lab.addons.nodejobs.names import APPS_GROUP, APPS_KINDS, GROUP, NODE_JOB_KINDS
from edge_lab.cluster.objects import Manifest
from edge_lab.cluster.rbac import Rule, binding_manifest, role_manifest, rule

LOOK = ("get", "list", "watch")
CHANGE = ("patch", "update")


RULES: tuple[Rule, ...] = (
    # It indexes pods by node before it starts.
    rule("", ("nodes", "pods"), LOOK),
    rule(APPS_GROUP, APPS_KINDS, LOOK),
    rule(GROUP, NODE_JOB_KINDS, (*LOOK, *CHANGE)),
    rule(GROUP, tuple(f"{kind}/status" for kind in NODE_JOB_KINDS), CHANGE),
)


def rights() -> tuple[Manifest, Manifest]:
    return (
        role_manifest(CLIENT.user, RULES),
        binding_manifest(CLIENT.user, CLIENT.user, [CLIENT.user], subject_kind="User"),
    )
