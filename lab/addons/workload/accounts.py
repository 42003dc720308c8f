"""Service accounts of the workload's pods, if the add-on `spire` gives them identities."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping
from typing import Any

from edge_lab.addons.spire.names import AGENT_FOLDER, WORKLOAD_API, account_id, has_spire
from edge_lab.addons.workload.manifests import (
    COLLECTOR,
    IMAGE,
    NAMESPACE,
    sampler_config,
    sampler_pod,
    sampling_nodes,
)
from edge_lab.images import EDGE_PROGRAM, ImageSpec
from edge_lab.topology import Node, Topology

SAMPLER_ACCOUNT, COLLECTOR_ACCOUNT = "sampler", "collector"
SAMPLER_ID = account_id(NAMESPACE, SAMPLER_ACCOUNT)
COLLECTOR_ID = account_id(NAMESPACE, COLLECTOR_ACCOUNT)

SECURE_PORT = 9101
"""Port on which the collector accepts samples by mutual TLS; its other port is then read-only."""

SPIFFE_PROGRAM = "edge-workload-spiffe"
"""The component: the same program, built with SPIFFE support."""
SPIFFE_IMAGE = "edge-lab.local/workload-spiffe:0.1.0"

Manifest = dict[str, Any]


def workload_images(topology: Topology) -> tuple[ImageSpec, ...]:
    """The workload's image, which other pods of suites also use; with identities, also that of
    sampler and collector."""
    plain = ImageSpec(IMAGE, EDGE_PROGRAM, ("/edge",))
    if has_spire(topology):
        return (plain, ImageSpec(SPIFFE_IMAGE, SPIFFE_PROGRAM, ("/edge",)))
    return (plain,)


def account_nodes(topology: Topology) -> Mapping[str, tuple[Node, ...]]:
    """By service account, the nodes that its pods run on; empty without the workload."""
    if "workload" not in topology.addons:
        return {}
    return {
        SAMPLER_ACCOUNT: sampling_nodes(topology),
        COLLECTOR_ACCOUNT: (topology.server,),
    }


def identified(topology: Topology, manifests: Iterable[Manifest]) -> tuple[Manifest, ...]:
    """The workload's manifests; with the add-on, those with identities."""
    if not has_spire(topology):
        return tuple(manifests)
    nodes = {sampler_pod(node.name): node for node in sampling_nodes(topology)}
    found: list[Manifest] = []
    for manifest in manifests:
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        if kind == "ConfigMap" and name in nodes:
            settings = json.dumps(sampler_settings(topology, nodes[name]), indent=2) + "\n"
            found.append({**manifest, "data": {"config.json": settings}})
        elif kind == "Pod" and name == COLLECTOR:
            found.append(with_identity(_admitting(manifest), COLLECTOR_ACCOUNT))
        elif kind == "Pod":
            found.append(with_identity(manifest, SAMPLER_ACCOUNT))
        else:
            found.append(manifest)
        if kind == "Namespace":
            found += map(service_account, (SAMPLER_ACCOUNT, COLLECTOR_ACCOUNT))
    return tuple(found)


def service_account(name: str) -> Manifest:
    """An account of the lab's namespace, without a token: its pods do not use the API server."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "automountServiceAccountToken": False,
    }


def sampler_settings(topology: Topology, node: Node) -> dict[str, Any]:
    """The configuration of a sampler with an identity."""
    server = topology.cluster_link(topology.server.name).address
    return {
        **sampler_config(topology, node),
        "collector": f"https://{server}:{SECURE_PORT}",
        "identity": {"workload_api": WORKLOAD_API, "collector": COLLECTOR_ID},
    }


def _admitting(collector: Manifest) -> Manifest:
    """The collector's pod, which accepts samples only by mutual TLS."""
    pod = copy.deepcopy(collector)
    pod["spec"]["containers"][0]["command"] += [
        *("--workload-api", WORKLOAD_API),
        *("--secure-listen", f":{SECURE_PORT}"),
        *("--admit", SAMPLER_ID),
    ]
    return pod


def with_identity(pod: Manifest, account: str) -> Manifest:
    """The pod with that service account, the program with SPIFFE, and the Workload API of its node.

    The folder is mounted, not the socket: see `AGENT_FOLDER`.
    """
    pod = copy.deepcopy(pod)
    spec = pod["spec"]
    (container,) = spec["containers"]
    mount = {"name": "workload-api", "mountPath": AGENT_FOLDER, "readOnly": True}
    container["image"] = SPIFFE_IMAGE
    container["volumeMounts"] = [*container.get("volumeMounts", []), mount]
    host_path = {"path": AGENT_FOLDER, "type": "DirectoryOrCreate"}
    spec["volumes"] = [
        *spec.get("volumes", []),
        {"name": "workload-api", "hostPath": host_path},
    ]
    spec["serviceAccountName"] = account
    return pod
