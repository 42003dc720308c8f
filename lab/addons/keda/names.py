"""Names, ports and paths of the parts of the add-on."""

from __future__ import annotations

from edge_lab.addons.functions.ways import KEDA

FUNCTIONS_KEDA = KEDA.addon
"""The add-on, and the capability of an edge node whose functions KEDA wakes."""

OPERATOR = "keda-operator"
OPERATOR_UNIT = f"{OPERATOR}.service"
CRDS = "keda-crds"
"""Components; the unit of the first has its name."""
SERVES = "edge-lab-keda-serves"
"""The unit of the server node that has started when the operator works."""

METRICS, HEALTH = "127.0.0.1:10281", "127.0.0.1:10282"
METRICS_SERVICE = "127.0.0.1:10283"
"""Where KEDA's metrics adapter, which does not run here, would ask for values."""

NAMESPACE = "edge-keda"
"""Namespace of Secrets that the operator reads; there are none."""

GROUP = "keda.sh"
VERSION = f"{GROUP}/v1alpha1"
EVENTING = "eventing.keda.sh"
SCALED_OBJECTS = "scaledobjects"

HOME = "/etc/edge-lab-keda"


def function_name(node: str) -> str:
    """The name of a node's Deployment, and of its ScaledObject."""
    return f"function-{KEDA.name}-{node}"
