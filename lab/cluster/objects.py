"""Objects of the API server as data: YAML, conditions, states of containers."""

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

    A CustomResourceDefinition that was just created has `conditions: null` instead of a list.
    """
    for found in item.get("status", {}).get("conditions") or ():
        if found["type"] == kind:
            return str(found["status"])
    return ""


def node_ready(node: Mapping[str, Any]) -> bool:
    return condition(node, "Ready") == "True"


def status_time(node: Mapping[str, Any]) -> str:
    """When the node's agent last reported its status, by the node's clock; empty if never.

    It counts as a heartbeat like the lease: the node controller uses the later one.
    """
    for found in node.get("status", {}).get("conditions") or ():
        if found["type"] == "Ready":
            return str(found.get("lastHeartbeatTime", ""))
    return ""


def pod_ready(pod: Mapping[str, Any]) -> bool:
    return condition(pod, "Ready") == "True" and "deletionTimestamp" not in pod["metadata"]


def restart_counts(pod: Mapping[str, Any]) -> dict[str, int]:
    """The number of restarts of each container of the pod."""
    statuses = container_statuses(pod)
    return {status["name"]: int(status.get("restartCount", 0)) for status in statuses}


def container_statuses(pod: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    """The status of each container; init containers come first."""
    status = pod.get("status", {})
    return (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ()))


def pod_reason(pod: Mapping[str, Any]) -> str:
    """The reason why the pod or one of its containers does not run, in one word; may be empty."""
    for status in container_statuses(pod):
        state = status.get("state") or {}
        for stopped in (state.get("waiting"), state.get("terminated")):
            if stopped and stopped.get("reason") not in (None, "Completed"):
                return str(stopped["reason"])
    return str(pod.get("status", {}).get("reason") or "")
