"""Certificates of brokers, by a separate authority: those of the cluster are refused."""

from __future__ import annotations

from ipaddress import IPv4Address

from edge_lab.addons.functions.names import HOME
from edge_lab.addons.tlsfiles import tls_files
from edge_lab.pki import CertificateSpec, IdentityRequest, Pki, Request, TrustDomain, Usage
from edge_lab.provisioning.provision import Provision
from edge_lab.topology import Node, Topology

FUNCTIONS_DOMAIN = TrustDomain("functions", "edge-lab functions")


def leaf_spec(node: str) -> CertificateSpec:
    """The certificate of an edge node's broker."""
    return CertificateSpec(f"edge-lab:functions:{node}")


def server_spec(address: str) -> CertificateSpec:
    """The certificate of the server's broker."""
    return CertificateSpec(
        "edge-lab:functions-server", addresses=(IPv4Address(address),), usages=(Usage.SERVER,)
    )


def functions_requests(topology: Topology) -> tuple[Request, ...]:
    server = topology.server.name
    address = str(topology.cluster_link(server).address)
    leaves = (
        IdentityRequest(FUNCTIONS_DOMAIN, node.name, leaf_spec(node.name))
        for node in topology.edges
    )
    return (IdentityRequest(FUNCTIONS_DOMAIN, server, server_spec(address)), *leaves)


def keys_provision(node: Node, pki: Pki) -> Provision:
    """The certificate and key of a node, and the authority's certificate."""
    return Provision(files=tls_files(HOME, FUNCTIONS_DOMAIN, node.name, pki))
