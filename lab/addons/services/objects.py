"""The Kubernetes objects of the add-on, as plain dicts."""

from __future__ import annotations

from typing import Any

from edge_lab.addons.services.dns import dns_endpoint
from edge_lab.addons.services.names import DNS_ADDRESS, DNS_PORT, DNS_SERVICE, NAMESPACE
from edge_lab.addons.services.upstream import COREDNS_GROUP
from edge_lab.cluster.objects import Manifest
from edge_lab.cluster.rbac import NODES_GROUP, binding_manifest, role_manifest
from edge_lab.topology import Node, Topology

COREDNS_ROLE = "system:coredns"
PROXIER_ROLE = "system:node-proxier"
"""Kubernetes' own role for kube-proxy."""

_PORTS = (("dns", "UDP"), ("dns-tcp", "TCP"))


def dns_objects(topology: Topology, nodes: tuple[Node, ...]) -> tuple[Manifest, ...]:
    """The Service kube-dns, and its endpoints: CoreDNS of each of `nodes`.

    `internalTrafficPolicy: Local` sends each query to the name server of its own node. Selectors
    cannot match programs outside pods, so the EndpointSlice is written here, and does not change
    when a node is lost.
    """
    labels = {"k8s-app": DNS_SERVICE, "kubernetes.io/name": "CoreDNS"}
    ports = [{"name": name, "protocol": protocol, "port": DNS_PORT} for name, protocol in _PORTS]
    service: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": DNS_SERVICE, "namespace": NAMESPACE, "labels": labels},
        "spec": {
            "clusterIP": str(DNS_ADDRESS),
            "internalTrafficPolicy": "Local",
            "ports": [{**port, "targetPort": DNS_PORT} for port in ports],
        },
    }
    endpoints: dict[str, Any] = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{DNS_SERVICE}-nodes",
            "namespace": NAMESPACE,
            "labels": {
                "kubernetes.io/service-name": DNS_SERVICE,
                "endpointslice.kubernetes.io/managed-by": "edge-lab",
            },
        },
        "addressType": "IPv4",
        "ports": ports,
        "endpoints": [
            {
                "addresses": [str(dns_endpoint(topology, node))],
                "nodeName": node.name,
                "conditions": {"ready": True},
            }
            for node in nodes
        ],
    }
    return service, endpoints


def rights(behind_cache: bool) -> tuple[Manifest, ...]:
    """RBAC objects: for CoreDNS with its own certificates; kube-proxy has Kubernetes' default.

    With `behind_cache` both connect through a cache on their node, which presents the node's
    certificate: then nodes get the rights, too.
    """
    groups = [COREDNS_GROUP, *([NODES_GROUP] if behind_cache else [])]
    found: list[Manifest] = [
        role_manifest(
            COREDNS_ROLE,
            [
                {
                    "apiGroups": [""],
                    "resources": ["services", "namespaces"],
                    "verbs": ["list", "watch"],
                },
                {
                    "apiGroups": ["discovery.k8s.io"],
                    "resources": ["endpointslices"],
                    "verbs": ["list", "watch"],
                },
            ],
        ),
        binding_manifest(COREDNS_ROLE, COREDNS_ROLE, groups),
    ]
    if behind_cache:
        found.append(binding_manifest("edge-lab:node-proxiers", PROXIER_ROLE, [NODES_GROUP]))
    return tuple(found)
