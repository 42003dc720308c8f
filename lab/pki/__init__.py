"""Certificates of one lab: an authority per trust domain, a certificate per identity."""

from edge_lab.pki.authority import Authority, CertificateSpec, Identity, KeyKind, Usage
from edge_lab.pki.pki import (
    API_SERVICE_IP,
    MAPPER_GROUP,
    SERVICE_SUBNET,
    Pki,
    api_server_spec,
    device_uri,
    kubelet_server_spec,
    mapper_uri,
    mapper_user,
    node_client_spec,
    opcua_client_spec,
    opcua_mapper_spec,
    opcua_server_spec,
    sampler_uri,
)

__all__ = [
    "API_SERVICE_IP",
    "MAPPER_GROUP",
    "SERVICE_SUBNET",
    "Authority",
    "CertificateSpec",
    "Identity",
    "KeyKind",
    "Pki",
    "Usage",
    "api_server_spec",
    "device_uri",
    "kubelet_server_spec",
    "mapper_uri",
    "mapper_user",
    "node_client_spec",
    "opcua_client_spec",
    "opcua_mapper_spec",
    "opcua_server_spec",
    "sampler_uri",
]
