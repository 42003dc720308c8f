"""The device mappers' identities at the API server and at OPC UA devices."""

from __future__ import annotations

from edge_lab.addons.twins.names import MAPPER_GROUP, twins_of
from edge_lab.devices.identities import opcua_client_spec
from edge_lab.pki import CLUSTER, DEVICES, CertificateSpec, IdentityRequest, Request
from edge_lab.topology import Topology


def mapper_requests(topology: Topology) -> tuple[Request, ...]:
    """Certificates of the mapper on each node with twins."""
    return tuple(
        IdentityRequest(domain, mapper_identity(node.name), spec)
        for node in topology.edges
        if twins_of(topology, node)
        for domain, spec in (
            (CLUSTER, CertificateSpec(mapper_user(node.name), (MAPPER_GROUP,))),
            (DEVICES, opcua_client_spec(node.name, "mapper", mapper_uri(node.name))),
        )
    )


def mapper_identity(node: str) -> str:
    """The name of the certificates of the mapper on a node."""
    return f"mapper-{node}"


def mapper_user(node: str) -> str:
    """The identity of the device mapper on a node at the API server."""
    return f"edge-lab:mapper:{node}"


def mapper_uri(node: str) -> str:
    """The OPC UA application URI of the device mapper on a node."""
    return f"urn:edge-lab:mapper:{node}"
