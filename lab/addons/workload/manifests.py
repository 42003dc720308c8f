"""The Kubernetes objects of the workload, as plain dicts, derived from a topology.

Samplers and collector are bare pods, bound to their nodes by name: no controller or scheduler is
involved, so that a new uid or a restart is caused by the stack under test.  They tolerate every
taint forever, so that a pod whose node is only unreachable is not evicted.

A sampler runs in the pod network; its packets to a device must leave the node with the node's own
address on the device's network.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any, Protocol

from edge_lab.devices.protocols import protocol_of
from edge_lab.topology import Device, Node, Topology

NAMESPACE = "edge-lab"
IMAGE = "edge-lab.local/workload:0.1.0"

COLLECTOR = "collector"
COLLECTOR_PORT = 9100
SAMPLER_PORT = 9102

STATE = "/var/lib/edge-lab"
SAMPLER_FOLDER = f"{STATE}/sampler"
"""On an edge node: the buffer, and `status.json`, written twice a second."""
SAMPLER_STATUS = f"{SAMPLER_FOLDER}/status.json"
COLLECTOR_FOLDER = f"{STATE}/collector"

CONFIG_MOUNT = "/etc/edge-lab/sampler"
SECURITY_MOUNT = "/etc/edge-lab/opcua"

LEAST_POLL_MS, MOST_POLL_MS = 50, 1000

Manifest = dict[str, Any]


class Certificate(Protocol):
    """The part of an Identity of edge_lab.pki that is used here."""

    @property
    def certificate_pem(self) -> bytes: ...
    @property
    def key_pem(self) -> bytes: ...


def sampler_pod(node: str) -> str:
    """The name of a node's sampler pod."""
    return f"sampler-{node}"


def workload_pods(topology: Topology) -> tuple[str, ...]:
    """The names of all pods of the workload."""
    return (COLLECTOR, *(sampler_pod(node.name) for node in sampling_nodes(topology)))


def sampled_devices(topology: Topology, node: Node) -> tuple[Device, ...]:
    """The devices on a network of the node that the sampler can read."""
    networks = {link.network for link in topology.links_of(node.name)}
    return tuple(
        device
        for device in topology.devices
        if device.sampled is not False
        and protocol_of(device.protocol).can_be_sampled(device)
        and topology.links_of(device.name)[0].network in networks
    )


def sampling_nodes(topology: Topology) -> tuple[Node, ...]:
    """The edge nodes with a reachable device."""
    return tuple(node for node in topology.edges if sampled_devices(topology, node))


def sampler_config(topology: Topology, node: Node) -> dict[str, Any]:
    """The configuration of the sampler on `node` (images/go/workload/internal/config)."""
    devices = sampled_devices(topology, node)
    server = topology.cluster_link(topology.server.name).address
    # Two reads per step, so that a slow one does not miss a step. With four the sampler used a
    # quarter of the CPU time of an idle emulated edge node.
    poll = min((device.period_ms for device in devices), default=MOST_POLL_MS) // 2
    return {
        "node": node.name,
        "collector": f"http://{server}:{COLLECTOR_PORT}",
        "poll_ms": max(LEAST_POLL_MS, min(MOST_POLL_MS, poll)),
        "folder": SAMPLER_FOLDER,
        "listen": f":{SAMPLER_PORT}",
        "security": {
            "certificate": f"{SECURITY_MOUNT}/tls.crt",
            "key": f"{SECURITY_MOUNT}/tls.key",
            "authority": f"{SECURITY_MOUNT}/ca.crt",
        },
        "devices": [_device_config(topology, device) for device in devices],
    }


def _device_config(topology: Topology, device: Device) -> dict[str, Any]:
    return {
        "name": device.name,
        "protocol": protocol_of(device.protocol).sampler_name,
        **protocol_of(device.protocol).sampler_config(topology, device),
    }


# -- objects -----------------------------------------------------------------------------


def workload_manifests(
    topology: Topology, clients: Mapping[str, Certificate], authority_pem: bytes
) -> tuple[Manifest, ...]:
    """All objects, the namespace first and the pods last.

    `clients` are the samplers' OPC UA certificates by node, `authority_pem` the authority
    that signs the devices'.
    """
    nodes = sampling_nodes(topology)
    return (
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        *(_config_map(topology, node) for node in nodes),
        *(_secret(node, clients[node.name], authority_pem) for node in nodes),
        collector_manifest(topology),
        *(sampler_manifest(node) for node in nodes),
    )


def _config_map(topology: Topology, node: Node) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": _metadata(sampler_pod(node.name), "sampler"),
        "data": {"config.json": json.dumps(sampler_config(topology, node), indent=2) + "\n"},
    }


def _secret(node: Node, client: Certificate, authority_pem: bytes) -> Manifest:
    def text(content: bytes) -> str:
        return base64.b64encode(content).decode()

    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": _metadata(sampler_pod(node.name), "sampler"),
        "type": "Opaque",
        "data": {
            "tls.crt": text(client.certificate_pem),
            "tls.key": text(client.key_pem),
            "ca.crt": text(authority_pem),
        },
    }


def sampler_manifest(node: Node) -> Manifest:
    """The sampler's pod on `node`."""
    name = sampler_pod(node.name)
    return _pod(
        name,
        "sampler",
        node.name,
        command=["/edge", "sample", "--config", f"{CONFIG_MOUNT}/config.json"],
        port=SAMPLER_PORT,
        folder=SAMPLER_FOLDER,
        mounts=[
            {"name": "config", "mountPath": CONFIG_MOUNT, "readOnly": True},
            {"name": "opcua", "mountPath": SECURITY_MOUNT, "readOnly": True},
        ],
        volumes=[
            {"name": "config", "configMap": {"name": name}},
            {"name": "opcua", "secret": {"secretName": name, "defaultMode": 0o400}},
        ],
    )


def collector_manifest(topology: Topology) -> Manifest:
    """The collector's pod on the server, on the server's own address."""
    pod = _pod(
        COLLECTOR,
        "collector",
        topology.server.name,
        command=[
            *("/edge", "collect", "--folder", COLLECTOR_FOLDER),
            *("--listen", f":{COLLECTOR_PORT}"),
        ],
        port=COLLECTOR_PORT,
        folder=COLLECTOR_FOLDER,
    )
    pod["spec"]["hostNetwork"] = True
    return pod


def _metadata(name: str, app: str) -> Manifest:
    return {
        "name": name,
        "namespace": NAMESPACE,
        "labels": {
            "app": app,
            "app.kubernetes.io/part-of": "edge-lab",
            # KubeEdge's admission webhook, if there is one, uses it.
            "app-offline.kubeedge.io": "autonomy",
        },
    }


def _pod(
    name: str,
    app: str,
    node: str,
    *,
    command: list[str],
    port: int,
    folder: str,
    mounts: list[Manifest] | None = None,
    volumes: list[Manifest] | None = None,
) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": _metadata(name, app),
        "spec": {
            "nodeName": node,
            "restartPolicy": "Always",
            "enableServiceLinks": False,
            "automountServiceAccountToken": False,
            "dnsPolicy": "Default",
            "terminationGracePeriodSeconds": 5,
            "tolerations": [{"operator": "Exists"}],
            "containers": [
                {
                    "name": app,
                    "image": IMAGE,
                    "imagePullPolicy": "Never",
                    "command": command,
                    "ports": [{"name": "http", "containerPort": port}],
                    "readinessProbe": {
                        "httpGet": {"path": "/healthz", "port": port},
                        "periodSeconds": 5,
                        # An emulated node under load may take seconds.
                        "timeoutSeconds": 5,
                    },
                    "resources": {"requests": {"memory": "32Mi"}, "limits": {"memory": "128Mi"}},
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]},
                    },
                    "volumeMounts": [{"name": "state", "mountPath": folder}, *(mounts or [])],
                }
            ],
            "volumes": [
                {"name": "state", "hostPath": {"path": folder, "type": "DirectoryOrCreate"}},
                *(volumes or []),
            ],
        },
    }
