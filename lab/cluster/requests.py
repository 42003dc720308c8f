"""Checks a certificate signing request before it is approved."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address

from cryptography import x509
from cryptography.x509.oid import NameOID

from edge_lab.cluster.addresses import API_SERVICE_IP
from edge_lab.cluster.certificates import CertificateRequest
from edge_lab.topology import Topology

SERVING_SIGNER = "kubernetes.io/kubelet-serving"
NODES_GROUP = "system:nodes"

_USER = "system:node:"
_ALWAYS = {
    IPv4Address("127.0.0.1"),
    API_SERVICE_IP,
    # yurthub names its dummy interface in the request even if it does not create one.
    IPv4Address("169.254.2.1"),
}
_DNS = {
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
}
_USAGES = {"digital signature", "key encipherment", "server auth"}


def objections(request: CertificateRequest, topology: Topology) -> list[str]:
    """Why the lab does not approve `request`; empty if it does.

    A node may request a serving certificate for its own name and addresses.
    """
    return list(_objections(request, topology))


def _objections(request: CertificateRequest, topology: Topology) -> Iterator[str]:
    if request.signer != SERVING_SIGNER:
        yield f"its signer is {request.signer}, not {SERVING_SIGNER}"
        return
    node = request.username.removeprefix(_USER)
    if not request.username.startswith(_USER) or node not in {n.name for n in topology.nodes}:
        yield f"it comes from {request.username!r}, which is not a node of the lab"
        return
    if NODES_GROUP not in request.groups:
        yield f"{request.username} is not in the group {NODES_GROUP}"
    if surplus := set(request.usages) - _USAGES:
        yield f"it asks for the usages {_listed(surplus)}"
    try:
        csr = x509.load_pem_x509_csr(request.request_pem)
    except ValueError as trouble:
        yield f"it cannot be read: {trouble}"
        return
    if not csr.is_signature_valid:
        yield "it is not signed with the key that it names"
    names = [
        str(attribute.value)
        for attribute in csr.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    ]
    if names != [request.username]:
        yield f"its common name is {_listed(names)}, its sender {request.username}"
    groups = [
        str(attribute.value)
        for attribute in csr.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    ]
    if groups != [NODES_GROUP]:
        yield f"its organization is {_listed(groups)}, not {NODES_GROUP}"
    yield from _name_objections(csr, node, topology)


def _name_objections(
    csr: x509.CertificateSigningRequest, node: str, topology: Topology
) -> Iterator[str]:
    try:
        names = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        yield "it names no address"
        return
    own = {link.address for link in topology.links_of(node)}
    known = (x509.DNSName, x509.IPAddress)
    if other := [name for name in names if not isinstance(name, known)]:
        yield f"it asks for names of the kind {_listed(type(name).__name__ for name in other)}"
    if foreign := set(names.get_values_for_type(x509.IPAddress)) - own - _ALWAYS:
        yield f"it asks for the addresses {_listed(foreign)}, which are not {node}'s"
    if foreign_names := set(names.get_values_for_type(x509.DNSName)) - _DNS - {node}:
        yield f"it asks for the names {_listed(foreign_names)}"


def _listed(values: Iterable[object]) -> str:
    return ", ".join(sorted(str(value) for value in values)) or "(none)"
