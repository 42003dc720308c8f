"""Identities of senders and receiver, with their own authority: certificates of the cluster are
refused."""

from __future__ import annotations

from edge_lab.addons.metrics.names import HOME
from edge_lab.addons.tlsfiles import server_and_edges, serving_spec, tls_files
from edge_lab.pki import CertificateSpec, Pki, Request, TrustDomain, Usage
from edge_lab.provisioning.provision import Provision
from edge_lab.topology import Node, Topology

METRICS_DOMAIN = TrustDomain("metrics", "edge-lab metrics")


def sender_spec(node: str) -> CertificateSpec:
    """The identity of all senders of a node."""
    return CertificateSpec(f"edge-lab:metrics:{node}")


def receiver_spec(address: str) -> CertificateSpec:
    """The identity of the receiver, and of clients on its own node."""
    return serving_spec("edge-lab:metrics-receiver", address, Usage.CLIENT)


def sidecar_spec(node: str, address: str) -> CertificateSpec:
    """The identity of Thanos' sidecar on a node, which the querier dials."""
    return serving_spec(f"edge-lab:metrics-sidecar:{node}", address)


def metrics_requests(topology: Topology) -> tuple[Request, ...]:
    return server_and_edges(topology, METRICS_DOMAIN, receiver_spec, sender_spec)


def keys_provision(node: Node, pki: Pki) -> Provision:
    """A node's certificate and key, and the authority."""
    return Provision(files=tls_files(HOME, METRICS_DOMAIN, node.name, pki))
