"""What the API server writes down of requests: its audit policy, and where the log is."""

from __future__ import annotations

from typing import Any

from edge_lab.core.yamltext import yaml_text

AUDIT_POLICY = "/etc/kubernetes/audit-policy.yaml"
AUDIT_LOG = "/var/log/kubernetes/audit.log"
"""Who asked the API server for what, and was let in or turned away."""


def audit_policy() -> str:
    """Which requests are written down: all, but for the nodes' own pulse and health checks.

    What is refused is among them: the API server writes down a request that it could not
    authenticate (401) as well as one that it did not allow (403).
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
