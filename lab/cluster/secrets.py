"""Secrets of a cluster, decoded."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from edge_lab.core.errors import LabError

if TYPE_CHECKING:
    from edge_lab.cluster.kubectl import Kubectl
    from edge_lab.core.deadline import Deadline


def secret_data(
    kubectl: Kubectl, namespace: str, name: str, deadline: Deadline
) -> dict[str, bytes]:
    """The content of a Secret; LabError if it does not exist."""
    found = kubectl.find("secret", name, "-n", namespace, deadline=deadline)
    if not found:
        raise LabError(f"the cluster has no Secret {namespace}/{name}")
    return {key: base64.b64decode(value) for key, value in found["data"].items()}
