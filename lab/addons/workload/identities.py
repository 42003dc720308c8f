"""The samplers' OPC UA identities."""

from __future__ import annotations

from edge_lab.addons.workload.manifests import sampling_nodes
from edge_lab.devices.identities import opcua_client_spec
from edge_lab.pki import DEVICES, CertificateSpec, IdentityRequest, Request
from edge_lab.topology import Topology


def sampler_requests(topology: Topology) -> tuple[Request, ...]:
    """A certificate for each sampler."""
    return tuple(
        IdentityRequest(DEVICES, client_identity(node.name), sampler_spec(node.name))
        for node in sampling_nodes(topology)
    )


def client_identity(node: str) -> str:
    """The name of the certificate of the sampler on a node."""
    return f"client-{node}"


def sampler_uri(node: str) -> str:
    """The OPC UA application URI of the sampler on a node."""
    return f"urn:edge-lab:sampler:{node}"


def sampler_spec(node: str) -> CertificateSpec:
    """Certificate of the OPC UA client that samples devices on a node."""
    return opcua_client_spec(node, "sampler", sampler_uri(node))
