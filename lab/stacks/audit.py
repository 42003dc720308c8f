"""The audit policy of the API server, and the path of its audit log."""

from __future__ import annotations

from typing import Any

from edge_lab.core.yamltext import yaml_text

AUDIT_POLICY = "/etc/kubernetes/audit-policy.yaml"
AUDIT_LOG = "/var/log/kubernetes/audit.log"
"""Requests to the API server, with their client, and whether they were admitted or refused."""


def audit_policy() -> str:
    """The audit policy: logs all requests except for heartbeats of nodes and health checks.

    That includes refused requests, both those that could not be authenticated (401) and those
    that were forbidden (403).
    """
    policy: dict[str, Any] = {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [
            {"level": "None", "nonResourceURLs": ["/healthz*", "/readyz*", "/livez*"]},
            {
                "level": "None",
                "userGroups": ["system:nodes"],
                "verbs": ["get", "create", "update", "patch"],
                "resources": [
                    {"group": "coordination.k8s.io", "resources": ["leases"]},
                    {"group": "", "resources": ["events", "nodes/status", "pods/status"]},
                ],
            },
            {
                "level": "None",
                "users": [
                    "system:apiserver",
                    "system:kube-controller-manager",
                    "system:kube-scheduler",
                ],
            },
            {
                "level": "None",
                "userGroups": ["system:serviceaccounts:kube-system"],
                "verbs": ["get", "list", "watch"],
            },
            {"level": "Metadata"},
        ],
    }
    return yaml_text(policy)
