"""Labels and taints of a node: who may set them, and which are invalid."""

from __future__ import annotations

import re

from edge_lab.core.errors import InputError
from edge_lab.topology import Node, Topology

ROLE_LABEL = "edge-lab.local/role"
"""server or edge; on every node."""
REGION_LABEL = "topology.kubernetes.io/region"
"""The region of a node: from the topology, or from its node pool."""

_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_PREFIX = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


def own_labels(node: Node) -> dict[str, str]:
    """The labels that a node may set on itself when it registers."""
    return {
        ROLE_LABEL: node.role.value,
        **{key: value for key, value in node.labels.items() if not reserved(key)},
    }


def given_labels(node: Node) -> dict[str, str]:
    """The labels that Kubernetes permits only an administrator to set on a node."""
    return {
        f"node-role.kubernetes.io/{node.role.value}": "",
        **{key: value for key, value in node.labels.items() if reserved(key)},
    }


def reserved(key: str) -> bool:
    """Whether a kubelet may not set it: keys of kubernetes.io, k8s.io and their subdomains."""
    prefix, slash, _ = key.rpartition("/")
    return bool(slash) and any(
        prefix == domain or prefix.endswith(f".{domain}") for domain in ("kubernetes.io", "k8s.io")
    )


def check_labels(topology: Topology) -> None:
    """InputError for the first label or taint that Kubernetes would refuse."""
    for node in topology.nodes:
        for key, value in node.labels.items():
            _check(key, value, f"node {node.name}, label")
        for taint in node.taints:
            _check(taint.key, taint.value, f"node {node.name}, taint")


def _check(key: str, value: str, where: str) -> None:
    prefix, slash, name = key.rpartition("/")
    if slash and not (_PREFIX.fullmatch(prefix) and len(prefix) <= 253):
        raise InputError(
            f"{where} {key!r}: {prefix!r} is not a DNS name",
            remedy="Use a lowercase DNS name before the slash, such as example.org.",
        )
    if not _NAME.fullmatch(name) or len(name) > 63:
        raise InputError(
            f"{where} {key!r}: {name!r} is not a valid name",
            remedy="Use at most 63 letters, digits, '-', '_' and '.', beginning and ending "
            "with a letter or "
            "digit.",
        )
    if value and (not _NAME.fullmatch(value) or len(value) > 63):
        raise InputError(
            f"{where} {key!r}: {value!r} is not a valid value",
            remedy="A value is empty or follows the rules of a name.",
        )
