"""Node pools, the workload of all pools with the configuration of each, and its Services.

A pool's configuration is an argument of its pods' process, so that the node itself shows which one
it runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from edge_lab.addons.pools.names import (
    APP_SET_VERSION,
    EVERYWHERE,
    NAMESPACE,
    NODE_POOL_VERSION,
    POOL_TOPOLOGY,
    SITE,
    TOPOLOGY_ANNOTATION,
)
from edge_lab.addons.witness import PART_LABEL
from edge_lab.addons.workload.manifests import IMAGE
from edge_lab.cluster.labels import REGION_LABEL
from edge_lab.cluster.objects import Manifest

PORT, POD_PORT = 80, 8080
FIRST = "1"
"""The configuration of each pool when the lab starts."""
UNCONFIGURED = "none"
"""The configuration in the template; no pod of a pool with a tweak runs it."""
_COMMAND = ("/edge", "pause", f"part={SITE}", f"revision={UNCONFIGURED}")
"""The program ignores unknown arguments; the witness reads them."""
CONFIGURATION_PATH = f"/spec/template/spec/containers/0/command/{len(_COMMAND) - 1}"


def definitions(file: Path) -> tuple[Manifest, ...]:
    """The kinds of the add-on's component, each in its storage version alone: older ones need a
    conversion webhook."""
    found = []
    for definition in yaml.safe_load_all(file.read_text("utf-8")):
        if definition:
            spec = definition["spec"]
            versions = [version for version in spec["versions"] if version["storage"]]
            kept = {**spec, "versions": versions, "conversion": {"strategy": "None"}}
            found.append({**definition, "spec": kept})
    return tuple(found)


def node_pool(pool: str) -> Manifest:
    """A pool, whose name is also the region of its nodes."""
    return {
        "apiVersion": NODE_POOL_VERSION,
        "kind": "NodePool",
        "metadata": {"name": pool},
        "spec": {"type": "Edge", "labels": {REGION_LABEL: pool}},
    }


def configuration(pool: str, name: str) -> str:
    """A pool's configuration of that name."""
    return f"{pool}-{name}"


def tweak(pool: str, configured: str, replicas: int) -> dict[str, Any]:
    """What is different for one pool."""
    value = f"revision={configured}"
    patch = {"path": CONFIGURATION_PATH, "operation": "replace", "value": value}
    return {"pools": [pool], "tweaks": {"replicas": replicas, "patches": [patch]}}


def tweaks(configured: Mapping[str, str], replicas: Mapping[str, int]) -> list[dict[str, Any]]:
    """For all pools, the configuration and the number of pods of each."""
    return [tweak(pool, configured[pool], replicas[pool]) for pool in configured]


def yurt_app_set(configured: Mapping[str, str], replicas: Mapping[str, int]) -> Manifest:
    return {
        "apiVersion": APP_SET_VERSION,
        "kind": "YurtAppSet",
        "metadata": {"name": SITE, "namespace": NAMESPACE},
        "spec": {
            "pools": list(configured),
            "revisionHistoryLimit": 3,
            "workload": {
                "workloadTemplate": {"deploymentTemplate": _deployment()},
                "workloadTweaks": tweaks(configured, replicas),
            },
        },
    }


def _deployment() -> dict[str, Any]:
    labels = {"app": SITE, PART_LABEL: SITE}
    return {
        "metadata": {"labels": labels},
        "spec": {
            "replicas": 1,
            "revisionHistoryLimit": 1,
            "selector": {"matchLabels": {"app": SITE}},
            # A pod ends when its successor is Ready.
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1},
            },
            "template": {"metadata": {"labels": labels}, "spec": _pod_spec()},
        },
    }


def _pod_spec() -> dict[str, Any]:
    security = {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    common = {"image": IMAGE, "imagePullPolicy": "Never", "securityContext": security}
    apart = {
        "topologyKey": "kubernetes.io/hostname",
        "labelSelector": {"matchLabels": {"app": SITE}},
        # One for each node, but beside its predecessor during an update.
        "matchLabelKeys": ["pod-template-hash"],
    }
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 1,
        # Not evicted from a node that is unreachable, and scheduled to it.
        "tolerations": [{"operator": "Exists"}],
        "affinity": {
            "podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [apart]}
        },
        "containers": [
            {"name": "main", "command": list(_COMMAND), **common},
            {
                "name": "server",
                # The lab's collector, used only as a listener.
                "command": ["/edge", "collect", "--folder", "/tmp", f"--listen=:{POD_PORT}"],  # noqa: S108
                "readinessProbe": {
                    "tcpSocket": {"port": POD_PORT},
                    "periodSeconds": 3,
                    # An emulated node under load may take seconds.
                    "timeoutSeconds": 5,
                },
                "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108
                **common,
            },
        ],
        "volumes": [{"name": "tmp", "emptyDir": {}}],
    }


def services() -> tuple[Manifest, ...]:
    """Two Services of the same pods: one whose traffic stays in its pool, and one without that."""
    return (
        _service(SITE, {TOPOLOGY_ANNOTATION: POOL_TOPOLOGY}),
        _service(EVERYWHERE, {}),
    )


def _service(name: str, annotations: Mapping[str, str]) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": NAMESPACE, "annotations": dict(annotations)},
        "spec": {
            "selector": {"app": SITE},
            "ports": [{"name": "http", "port": PORT, "targetPort": POD_PORT}],
        },
    }


def first_objects(pools: Mapping[str, Iterable[str]]) -> tuple[Manifest, ...]:
    """`pools` are the nodes of each pool."""
    configured = {pool: configuration(pool, FIRST) for pool in pools}
    replicas = {pool: len(tuple(nodes)) for pool, nodes in pools.items()}
    return (*map(node_pool, pools), *services(), yurt_app_set(configured, replicas))
