"""The OPC UA identities of a lab: its devices, and the programs on nodes that connect to them."""

from __future__ import annotations

from edge_lab.pki import CertificateSpec, KeyKind, Usage
from edge_lab.topology import Device, Topology


def server_identity(device: str) -> str:
    """The name under which an OPC UA device's certificate is kept."""
    return f"server-{device}"


def device_uri(device: str) -> str:
    """The OPC UA application URI of a device."""
    return f"urn:edge-lab:device:{device}"


def opcua_server_spec(topology: Topology, device: Device) -> CertificateSpec:
    """Certificate of an OPC UA device: application URI, name and address on its link."""
    return CertificateSpec(
        common_name=device.name,
        organizations=("edge-lab",),
        uris=(device_uri(device.name),),
        dns_names=(device.name,),
        addresses=tuple(link.address for link in topology.links_of(device.name)),
        # Servers that register elsewhere act as clients, so OPC UA names both.
        usages=(Usage.SERVER, Usage.CLIENT),
        key=KeyKind.RSA,
        encipherment=True,
    )


def opcua_client_spec(node: str, program: str, uri: str) -> CertificateSpec:
    """Certificate of an OPC UA client: `program` on `node`, by its application URI."""
    return CertificateSpec(
        common_name=f"{program}-{node}",
        organizations=("edge-lab",),
        uris=(uri,),
        dns_names=(node,),
        usages=(Usage.CLIENT,),
        key=KeyKind.RSA,
        encipherment=True,
    )
