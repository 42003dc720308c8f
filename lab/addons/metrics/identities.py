"""Identities of senders and receiver, with their own authority: certificates of the cluster are
refused."""

from __future__ import annotations

from ipaddress import IPv4Address

from edge_lab.addons.metrics.names import HOME
from edge_lab.addons.tlsfiles import tls_files
from edge_lab.pki import CertificateSpec, IdentityRequest, Pki, Request, TrustDomain, Usage
from edge_lab.provisioning.provision import Provision
from edge_lab.topology import Node, Topology

METRICS_DOMAIN = TrustDomain("metrics", "edge-lab metrics")


def sender_spec(node: str) -> CertificateSpec:
    """The identity of all senders of a node."""
    return CertificateSpec(f"edge-lab:metrics:{node}")


def receiver_spec(address: str) -> CertificateSpec:
    """The identity of the receiver, and of clients on its own node."""
    return CertificateSpec(
        "edge-lab:metrics-receiver",
        addresses=(IPv4Address(address),),
        usages=(Usage.SERVER, Usage.CLIENT),
    )


def sidecar_spec(node: str, address: str) -> CertificateSpec:
    """The identity of Thanos' sidecar on a node, which the querier dials."""
    return CertificateSpec(
        f"edge-lab:metrics-sidecar:{node}",
        addresses=(IPv4Address(address),),
        usages=(Usage.SERVER,),
    )


def metrics_requests(topology: Topology) -> tuple[Request, ...]:
    server = topology.server.name
    address = str(topology.cluster_link(server).address)
    senders = (
        IdentityRequest(METRICS_DOMAIN, node.name, sender_spec(node.name))
        for node in topology.edges
    )
    return (IdentityRequest(METRICS_DOMAIN, server, receiver_spec(address)), *senders)


def keys_provision(node: Node, pki: Pki) -> Provision:
    """A node's certificate and key, and the authority."""
    return Provision(files=tls_files(HOME, METRICS_DOMAIN, node.name, pki))
