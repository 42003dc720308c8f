"""Objects of the API server as data: written as YAML, their conditions read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from edge_lab.core.yamltext import yaml_text

Manifest = Mapping[str, Any]


def to_yaml(manifest: Manifest | Iterable[Manifest]) -> str:
    """One YAML document per object."""
    documents = [manifest] if isinstance(manifest, Mapping) else list(manifest)
    return yaml_text(*(dict(document) for document in documents))


def condition(item: Mapping[str, Any], kind: str) -> str:
    """The status of one condition of an object: True, False, Unknown, or empty.

    A CustomResourceDefinition that was made just now has `conditions: null` in it, not a list.
    """
    for found in item.get("status", {}).get("conditions") or ():
        if found["type"] == kind:
            return str(found["status"])
    return ""


def node_ready(node: Mapping[str, Any]) -> bool:
    return condition(node, "Ready") == "True"


def status_time(node: Mapping[str, Any]) -> str:
    """When the node's agent last reported its status, by the node's clock; empty if never.

    It counts as a heartbeat beside the lease: the node controller goes by the later one.
    """
    for found in node.get("status", {}).get("conditions") or ():
        if found["type"] == "Ready":
            return str(found.get("lastHeartbeatTime", ""))
    return ""


def pod_ready(pod: Mapping[str, Any]) -> bool:
    return condition(pod, "Ready") == "True" and "deletionTimestamp" not in pod["metadata"]


def restart_counts(pod: Mapping[str, Any]) -> dict[str, int]:
    """How often each container of the pod has been started again."""
    statuses = container_statuses(pod)
    return {status["name"]: int(status.get("restartCount", 0)) for status in statuses}


def container_statuses(pod: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    """What is said of each of its containers; those that initialize it come first."""
    status = pod.get("status", {})
    return (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ()))


def pod_reason(pod: Mapping[str, Any]) -> str:
    """In one word why the pod, or one of its containers, does not run; empty if none is said."""
    for status in container_statuses(pod):
        state = status.get("state") or {}
        for stopped in (state.get("waiting"), state.get("terminated")):
            if stopped and stopped.get("reason") not in (None, "Completed"):
                return str(stopped["reason"])
    return str(pod.get("status", {}).get("reason") or "")
