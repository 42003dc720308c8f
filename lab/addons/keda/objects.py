"""The Deployment of a node's function, and the ScaledObject by which KEDA scales it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from edge_lab.addons.functions.names import NAMESPACE
from edge_lab.addons.functions.place import Place
from edge_lab.addons.functions.pods import bound_spec, pod_labels
from edge_lab.addons.functions.ways import KEDA
from edge_lab.addons.keda.names import VERSION, function_name
from edge_lab.cluster.objects import Manifest

STREAM, CONSUMER = "EVENTS", f"handle-{KEDA.name}"
"""As images/go/functions/internal/events has them."""
ACCOUNT = "$G"
"""NATS' account of clients without another one."""
POLL_SECONDS = 2
"""Between two queries; KEDA's default is 30."""
COOL_SECONDS = 5
"""KEDA's `cooldownPeriod`: after the last query that found a waiting event, until the Deployment is
scaled to zero. The same time as the activator's; KEDA's default is 300."""
NODE_LABEL = "edge-lab/node"
"""Label of a function's pods with their node, by which its Deployment selects them."""


def definitions(file: Path) -> tuple[Manifest, ...]:
    """The kinds of the add-on's component."""
    return tuple(
        definition for definition in yaml.safe_load_all(file.read_text("utf-8")) if definition
    )


def deployment(place: Place) -> Manifest:
    """It has no pod until KEDA scales it."""
    labels = {**pod_labels(KEDA), NODE_LABEL: place.node}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _metadata(place.node),
        "spec": {
            "replicas": 0,
            "revisionHistoryLimit": 0,
            # Never two of them, which would share the file of records.
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": {"way": KEDA.name, NODE_LABEL: place.node}},
            "template": {"metadata": {"labels": labels}, "spec": bound_spec(place, KEDA)},
        },
    }


def scaled_object(
    node: str, monitor: str, *, poll_s: int = POLL_SECONDS, cool_s: int = COOL_SECONDS
) -> Manifest:
    """`monitor` is `address:port` of the monitoring endpoint of the node's broker, from the
    server."""
    trigger = {
        "natsServerMonitoringEndpoint": monitor,
        "account": ACCOUNT,
        "stream": STREAM,
        "consumer": CONSUMER,
        "lagThreshold": "1",
        # One waiting event is enough.
        "activationLagThreshold": "0",
    }
    return {
        "apiVersion": VERSION,
        "kind": "ScaledObject",
        "metadata": _metadata(node),
        "spec": {
            "scaleTargetRef": {"name": function_name(node)},
            "pollingInterval": poll_s,
            "cooldownPeriod": cool_s,
            "minReplicaCount": 0,
            "maxReplicaCount": 1,
            "triggers": [{"type": "nats-jetstream", "metadata": trigger}],
        },
    }


def _metadata(node: str) -> dict[str, Any]:
    return {"name": function_name(node), "namespace": NAMESPACE}
