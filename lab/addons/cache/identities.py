"""Certificates of the registry, of the data sets, and of caches that serve each other."""

from __future__ import annotations

from edge_lab.addons.cache.names import (
    AUTHORITY,
    CACHE,
    CERTIFICATE,
    DATA_NAME,
    KEY,
    REGISTRY_NAME,
)
from edge_lab.pki import CertificateSpec, IdentityRequest, Pki, Request, TrustDomain, Usage
from edge_lab.provisioning.provision import GuestFile
from edge_lab.topology import Node, Topology

REGISTRIES = TrustDomain("registry", "edge-lab registries")
"""The authority of the servers of images and data: the server node, and nodes for each other."""


def cache_requests(topology: Topology) -> tuple[Request, ...]:
    """A certificate of the server; where caches serve each other, one of each edge node."""
    nodes = (topology.server, *(topology.edges if CACHE in topology.addons else ()))
    return tuple(
        IdentityRequest(REGISTRIES, node.name, server_spec(topology, node)) for node in nodes
    )


def site_name(node: str) -> str:
    """The name of a node's cache in its certificate, so that no edge node can act as the
    registry."""
    return f"{node}.cache.edge-lab.local"


def server_spec(topology: Topology, node: Node) -> CertificateSpec:
    """For its names, and all addresses of the node."""
    is_server = node.name == topology.server.name
    names = (REGISTRY_NAME, DATA_NAME) if is_server else (site_name(node.name),)
    addresses = tuple(link.address for link in topology.links_of(node.name))
    return CertificateSpec(names[0], dns_names=names, addresses=addresses, usages=(Usage.SERVER,))


def key_files(pki: Pki, node: Node) -> tuple[GuestFile, ...]:
    """Certificate, key and trusted authority of `node`."""
    identity = pki.identity(REGISTRIES, node.name)
    return (
        authority_file(pki),
        GuestFile(CERTIFICATE, identity.certificate_pem),
        GuestFile(KEY, identity.key_pem, 0o600),
    )


def authority_file(pki: Pki) -> GuestFile:
    """The trusted authority of a node without a certificate."""
    return GuestFile(AUTHORITY, pki.authority(REGISTRIES).certificate_pem)
