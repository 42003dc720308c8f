"""Certificates of brokers, by a separate authority: those of the cluster are refused."""

from __future__ import annotations

from edge_lab.addons.functions.names import HOME
from edge_lab.addons.tlsfiles import server_and_edges, serving_spec, tls_files
from edge_lab.pki import CertificateSpec, Pki, Request, TrustDomain
from edge_lab.provisioning.provision import Provision
from edge_lab.topology import Node, Topology

FUNCTIONS_DOMAIN = TrustDomain("functions", "edge-lab functions")


def leaf_spec(node: str) -> CertificateSpec:
    """The certificate of an edge node's broker."""
    return CertificateSpec(f"edge-lab:functions:{node}")


def server_spec(address: str) -> CertificateSpec:
    """The certificate of the server's broker."""
    return serving_spec("edge-lab:functions-server", address)


def functions_requests(topology: Topology) -> tuple[Request, ...]:
    return server_and_edges(topology, FUNCTIONS_DOMAIN, server_spec, leaf_spec)


def keys_provision(node: Node, pki: Pki) -> Provision:
    """The certificate and key of a node, and the authority's certificate."""
    return Provision(files=tls_files(HOME, FUNCTIONS_DOMAIN, node.name, pki))
